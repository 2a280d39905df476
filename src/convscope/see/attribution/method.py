"""What a method of attribution is: its settings as frozen data, and one generator."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from convscope.errors import UsageError, nearest
from convscope.nets import LayerAddress
from convscope.see.attribution.target import AttributionTask

Baseline = Literal["mean", "low", "blur"]
"""What stands for nothing to be seen.

The mean that the network subtracts (so that it sees 0), the lowest value of the range (black),
or the input blurred.
"""


@dataclass(frozen=True, eq=False)
class PartialAttribution:
    """What a method has found so far: `[b c *size]` for each input; `share` of its work is done."""

    attributions: tuple[Tensor, ...]
    share: float = 1.0
    layer: LayerAddress | None = None
    """Whose maps were weighed, if a layer's were."""


class Method(BaseModel, ABC):
    """Base of all methods.

    The fields are its settings; they become the table in the documentation and the terminal's `--set`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = ""
    title: ClassVar[str] = ""
    """What it is called in print."""
    source: ClassVar[str] = ""
    signed: ClassVar[bool] = True
    """Whether what speaks against the target is negative."""
    channel_max: ClassVar[bool] = False
    """Whether a pixel counts as the largest absolute value of its channels, not as their sum."""
    satisfies_completeness: ClassVar[bool] = False
    """Whether the attributions should add up to the target's value less the baseline's."""
    relative_to_baseline: ClassVar[bool] = True

    @abstractmethod
    def attributions(self, question: AttributionTask) -> Iterator[PartialAttribution]:
        """Find what each value of each input contributes; the last part is the whole.

        Runs with frozen weights. A method that needs many passes yields in between, and may be stopped there.
        """

    def baseline(self, question: AttributionTask) -> tuple[Tensor, ...]:
        """What a complete method's attributions are relative to."""
        return question.baseline("mean")

    def reduced(self) -> "Method":
        """The same with fewer samples, for checks that repeat it."""
        return self

    @classmethod
    def parse(cls, values: dict[str, Any]) -> "Method":
        """The method with these settings; text is converted.

        Raises:
            UsageError: a setting is unknown or out of range.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            told = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            wrong = str(error.errors()[0]["loc"][0]) if error.errors()[0]["loc"] else ""
            raise UsageError(
                f"settings of {values.get('name') or cls.__name__} that fit",
                received=told,
                hint=nearest(wrong, [f for f in cls.model_fields if f != "name"]),
            ) from None

    def settings(self) -> dict[str, Any]:
        """The settings alone, JSON-ready."""
        return self.model_dump(mode="json", exclude={"name"})
