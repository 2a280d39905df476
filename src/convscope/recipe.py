"""A recipe: everything that decides a result, as frozen data.

One schema per verb. The same schema makes the terminal's flags, the TOML file and the report's "how this was
made", and travels inside every result, so that `convscope replay` can make it again.
"""

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from convscope.errors import DataError, UsageError, nearest
from convscope.files import read_toml

Device = Literal["auto", "cpu", "cuda", "mps"]

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


MOST_MEMORY = 2**60
"""Bytes; a larger amount of memory is a slip of the pen."""


def in_bytes(text: str) -> int:
    """Return what `4GB`, `512 MiB` or `1e9` means in bytes; 0 where it means nothing or over `MOST_MEMORY`.

    Args:
        text: a decimal number in ASCII digits, and a unit of powers of 1000 or (with `i`) of 1024.
    """
    found = re.fullmatch(
        r"\s*([0-9.]{1,30}(?:e[0-9]{1,3})?)\s*([KMG]?I?B?)\s*", text.upper().replace("E", "e")
    )
    if not found:
        return 0
    number, unit = found.groups()
    unit = unit if unit.endswith("B") else unit + "B"
    try:
        amount = float(number) * _UNITS[unit]
    except (ValueError, KeyError):
        return 0
    return int(amount) if math.isfinite(amount) and amount <= MOST_MEMORY else 0


def _readable(memory: str) -> str:
    if memory and not in_bytes(memory):
        raise ValueError("a number and a unit, as in 4GB or 512MB")
    return memory


Memory = Annotated[str, AfterValidator(_readable)]
"""An amount of memory, as in `4GB`; empty where none was named."""


@dataclass(frozen=True, eq=False)
class OnlyWith:
    """A setting that has an effect only together with others; without them it is refused, not ignored.

    A rule applies where the setting differs from its default: recipes that travel inside results name every
    field. Of the conditions one must hold.

        OnlyWith("decay", canvas="fourier")                   # one value of another field
        OnlyWith("start", canvas=("fourier", "pixels"))       # one of several
        OnlyWith("split", data=GIVEN)                         # any value but none, empty, 0 or False
        OnlyWith("diversity", variants=AtLeast(2))

    Args:
        field: the setting.
        values: those of its values that the rule is about; all but the default if left out.
        hint: the next step, where it is not to change the other field.
        **others: other fields, each with what it has to be.
    """

    field: str
    values: tuple[object, ...]
    hint: str
    others: tuple[tuple[str, object], ...]

    def __init__(self, field: str, /, *, values: tuple[object, ...] = (), hint: str = "", **others: object):
        object.__setattr__(self, "field", field)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "hint", hint)
        object.__setattr__(self, "others", tuple(others.items()))

    def broken(self, recipe: "Recipe") -> str:
        """What is wrong, as a sentence; empty where the setting has an effect or is the default."""
        value = getattr(recipe, self.field)
        default = type(recipe).model_fields[self.field].get_default(call_default_factory=True)
        about = value in self.values if self.values else value != default
        if not about or any(_holds(getattr(recipe, name), wanted) for name, wanted in self.others):
            return ""
        needed = " or ".join(f"{_flag(name)} {_said(wanted)}" for name, wanted in self.others)
        now = " and ".join(f"{_flag(name)} is {_shown(getattr(recipe, name))}" for name, _ in self.others)
        hint = f" {self.hint}" if self.hint else ""
        return f"{self.field} ({_shown(value)}) has an effect only with {needed}, and {now}.{hint}"


@dataclass(frozen=True)
class AtLeast:
    """A condition on the size of a number, of the largest number in a list, or of a list of texts."""

    least: int


GIVEN = object()
"""A condition: the other field is neither none, nor empty, 0 or False."""


def _holds(value: Any, wanted: object) -> bool:
    if wanted is GIVEN:
        return bool(value)
    if isinstance(wanted, AtLeast):
        if isinstance(value, list):
            numbers = [entry for entry in value if isinstance(entry, int)]
            value = max(numbers) if numbers else len(value)
        return (value or 0) >= wanted.least
    return value in (wanted if isinstance(wanted, tuple) else (wanted,))


def _said(wanted: object) -> str:
    if wanted is GIVEN:
        return "given"
    if isinstance(wanted, AtLeast):
        return f"of {wanted.least} or more"
    return " or ".join(map(_shown, wanted if isinstance(wanted, tuple) else (wanted,)))


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _shown(value: object) -> str:
    if value is None or value == []:
        return "left out"
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


class Recipe(BaseModel):
    """Base of every verb's schema. Field descriptions become the help of the flags."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    verb: ClassVar[str] = ""
    positional: ClassVar[tuple[str, ...]] = ()
    """Fields that the terminal takes without a flag, in this order."""
    only_with: ClassVar[tuple[OnlyWith, ...]] = ()
    """Settings that need others to have an effect; those of the classes above hold too."""

    device: Device = Field(default="auto", description="where to compute")
    seed: int = Field(default=0, ge=0, le=2**63 - 1, description="the one source of randomness")

    @model_validator(mode="after")
    def _effective(self) -> Self:
        broken = [rule.broken(self) for rule in self.rules()]
        if any(broken):
            raise ValueError(" ".join(filter(None, broken)))
        return self

    @classmethod
    def rules(cls) -> tuple[OnlyWith, ...]:
        """Every `only_with` of this schema and of those above it."""
        own = [part.__dict__.get("only_with", ()) for part in cls.__mro__]
        return tuple(rule for rules in own for rule in rules)

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Self:
        """A recipe from plain values.

        Raises:
            UsageError: a field is unknown, missing or out of range; all of them are named.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            raise UsageError(
                f"a recipe for '{cls.verb}' that fits its schema",
                received="; ".join(_complaint(e, cls.model_fields) for e in error.errors()),
                hint=f"See: convscope {cls.verb} --help",
            ) from None

    @classmethod
    def read(cls, path: Path) -> dict[str, Any]:
        """The values of a TOML file, not yet validated, so that flags can override them.

        Raises:
            DataError: the file is missing, not a regular file, too large, or not TOML.
        """
        try:
            return read_toml(path)
        except (OSError, ValueError) as error:
            raise DataError(f"a TOML file at {path}", received=str(error)) from None

    def chosen(self) -> dict[str, Any]:
        """The values that differ from the defaults, JSON-ready."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def command(self) -> str:
        """The terminal line that does the same."""
        values = self.model_dump(mode="json")
        words = ["convscope", self.verb]
        for name in self.positional:
            value = values[name]
            words += [_quoted(v) for v in (value if isinstance(value, list) else [value]) if v is not None]
        for name, value in self.chosen().items():
            if name in self.positional:
                continue
            flag = "--" + name.replace("_", "-")
            if isinstance(value, bool):
                words.append(flag if value else "--no-" + flag[2:])
            else:
                for v in value if isinstance(value, list) else [value]:
                    words += [flag, _quoted(v)]
        return " ".join(words)

    def json(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Verb and values as one JSON document."""
        return json.dumps({"verb": self.verb, **self.model_dump(mode="json")}, ensure_ascii=False)


class OnNetwork(Recipe):
    """Base of the schemas of verbs that look into a network, or ask it."""

    weights: str = Field(
        default="packaged",
        min_length=1,
        description="packaged (those that ship, else fresh ones), none, default (the published ones, "
        "downloaded if they are not here), or the path of a .safetensors file",
    )


DEFAULT_NET = "efficientnet_lite0"
"""The network that verbs about an input use where none is named."""


class OnInput(OnNetwork):
    """Base of the schemas of verbs about an input: the input comes first, the network is the flag `--net`."""

    net: str = Field(default=DEFAULT_NET, description="which network: a name, or a run's folder")


def whole_number(text: str) -> int | None:
    """Return a whole number of 1 to 18 ASCII digits, or None; other digits are letters here."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text.strip()) else None


def real_number(text: str) -> float | None:
    """Return a finite decimal number in ASCII, or None."""
    try:
        value = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _complaint(error: Any, fields: Iterable[str]) -> str:
    where = ".".join(str(part) for part in error["loc"]) or "the whole"
    if error["type"] == "missing":
        return f"{where} is missing"
    if error["type"] == "extra_forbidden":
        return f"{where} is no setting. {nearest(where, fields)}".strip()
    if error["type"] == "value_error" and not error["loc"]:  # of several settings together: they are named
        return error["msg"].removeprefix("Value error, ")
    return f"{where}: {error['msg']} (got {shortened(error['input'])})"


def shortened(value: object, most: int = 80) -> str:
    """Return a value as Python writes it, cut to `most` characters; never fails."""
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        return f"a {type(value).__name__} of thousands of digits"
    return text if len(text) <= most else f"{text[:most]}..."


def _quoted(value: object) -> str:
    import shlex

    return shlex.quote(str(value))
