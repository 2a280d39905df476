"""What was frozen in a training, when, and the SHA-256 that proves that it did not move."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from convscope.learn.trainer import values as check

Author = Literal["recipe", "call"]
Moment = tuple[int, int]
"""Epoch, counted from 1, and steps done in it; 0 steps is before the epoch."""
_SHA = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class FreezeRecord:
    """One part of a network that was frozen for some time.

    Where something of a frozen part is thawed, its record ends and another one begins for the rest.

    Attributes:
        address: what was frozen.
        excluded: addresses of what had been thawed of it before.
        by: `recipe`, or `call` of `Trainer.freeze`.
        begun: when it was frozen: epoch from 1, and steps done in it.
        ended: when it was thawed; None if it still is frozen.
        values: number of frozen values: weights, and running statistics of normalisations.
        sha256: digest of these values when they were frozen.
        sha256_end: digest when they were thawed, or when the training was last stored or ended.
        sha256_after: of a thawed part, the digest of the same values when the training was last stored or
            ended; None for one that is still frozen.
    """

    address: str
    excluded: tuple[str, ...]
    by: Author
    begun: Moment
    ended: Moment | None
    values: int
    sha256: str
    sha256_end: str
    sha256_after: str | None = None

    @property
    def identical(self) -> bool:
        """Whether the values were bit-identical as long as they were frozen."""
        return self.sha256 == self.sha256_end

    @property
    def moved(self) -> bool:
        """Whether the values are others than when they were thawed."""
        return self.sha256_after is not None and self.sha256_after != self.sha256_end

    @property
    def momentary(self) -> bool:
        """Whether it was thawed before a step was taken, such as what a recipe leaves out of a pattern."""
        return self.begun == self.ended

    @property
    def name(self) -> str:
        """The address, with what is excluded: `conv2 without conv2:7`."""
        return self.address + (f" without {', '.join(self.excluded)}" if self.excluded else "")

    def text(self) -> str:
        """Return the record as one sentence, for people."""
        moment = _in_words(self.begun)
        since = "from the beginning" if self.begun == (1, 0) else f"from {moment}"
        until = "" if self.ended is None else f" to {_in_words(self.ended)}"
        same = "bit-identical" if self.identical else "NOT the same"
        after = "" if self.ended is None else f"; {'moved' if self.moved else 'not moved'} since"
        return f"{self.name}: frozen {since}{until}, {same} (SHA-256 {self.sha256[:12]}){after}."

    def to_json(self) -> dict[str, Any]:
        """Return the record as a JSON-ready dict."""
        lists = {"excluded": list(self.excluded), "begun": list(self.begun)}
        return {**asdict(self), **lists, "ended": None if self.ended is None else list(self.ended)}

    @classmethod
    def from_json(cls, values: Any, now: Moment) -> "FreezeRecord":
        """Read a record from what `to_json` returned, checking every value.

        Args:
            values: the record, parsed.
            now: position of the training.

        Returns:
            The record.

        Raises:
            ValueError: a value is missing, unknown, or of another type or range.
        """
        found = check.fields("frozen", values, (f.name for f in fields(cls)))
        begun, ended = _moment("frozen.begun", found["begun"]), None
        if found["ended"] is not None:
            ended = _moment("frozen.ended", found["ended"])
        if not begun <= (ended or now) <= now:
            raise ValueError(f"frozen.begun: {list(begun)}, which is not before {list(ended or now)}")
        check.text("frozen.by", found["by"], ("recipe", "call"))
        check.integer("frozen.values", found["values"], 1)
        for name in ("sha256", "sha256_end", *(() if ended is None else ("sha256_after",))):
            if not _SHA.fullmatch(check.text(f"frozen.{name}", found[name])):
                raise ValueError(f"frozen.{name}: 64 hexadecimal digits were expected")
        if found["sha256"] != found["sha256_end"]:
            raise ValueError(
                f"frozen.sha256_end: another one than when {check.shown(found['address'])} was frozen"
            )
        if ended is None and found["sha256_after"] is not None:
            raise ValueError("frozen.sha256_after: none was expected for what is still frozen")
        excluded = tuple(
            check.text("frozen.excluded", text) for text in check.items("frozen.excluded", found["excluded"])
        )
        address = check.text("frozen.address", found["address"])
        return cls(**{**found, "address": address, "excluded": excluded, "begun": begun, "ended": ended})


def read_records(values: Any, now: Moment) -> tuple[FreezeRecord, ...]:
    """Read the records of a training's state, checking every value.

    Args:
        values: the list, parsed.
        now: position of the training.

    Returns:
        The records.

    Raises:
        ValueError: a value is missing, unknown, or of another type or range.
    """
    return tuple(FreezeRecord.from_json(entry, now) for entry in check.items("frozen", values))


def position(values: Mapping[str, Any]) -> Moment:
    """Return the position of a state: epoch from 1, and steps done in it.

    Args:
        values: values of the state; `epoch` counts finished epochs.

    Returns:
        Epoch and step.
    """
    return check.integer("epoch", values["epoch"]) + 1, check.integer("step", values["step"])


def _moment(name: str, value: Any) -> Moment:
    epoch, step = check.items(name, value, 2)
    return check.integer(name, epoch, 1), check.integer(name, step)


def _in_words(moment: Moment) -> str:
    epoch, step = moment
    return f"epoch {epoch}, step {step}" if step else f"epoch {epoch}"
