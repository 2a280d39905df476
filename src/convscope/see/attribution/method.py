"""The interface of attribution methods: settings as frozen fields, and one generator of results."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from convscope.errors import UsageError, settings_hint
from convscope.nets import LayerAddress
from convscope.see.attribution.target import AttributionTask

Baseline = Literal["mean", "low", "blur"]
"""The reference input, which stands for the absence of features.

`mean`: the mean that the network subtracts (so that its normalised input is 0); `low`: the lowest value of
the range (black); `blur`: the input blurred. Behind a layer, `mean` is the layer's output for that mean,
which is silence for a sound, and `low` the lowest value of its output.
"""
ARGUMENTS = ("method", "target", "wrt", "checks", "boxes")
"""What `explain` takes beside a method's settings, for hints."""


@dataclass(frozen=True, eq=False)
class PartialAttribution:
    """Attributions found so far: `[b c *size]` for each input of the network.

    `share` is the finished share of the method's work, 0 to 1.
    """

    attributions: tuple[Tensor, ...]
    share: float = 1.0
    layer: LayerAddress | None = None
    """The layer whose feature maps were weighted, for class activation maps."""
    cam: Tensor | None = None
    """The class activation map itself, `[b 1 *size]`: of the size of that layer's feature maps."""


class Method(BaseModel, ABC):
    """Base class of attribution methods.

    Fields are the settings: they become rows of the documentation's table and the command line's `--set`.
    Class variables describe the method. A new method implements `attributions`, and gets one line in
    `registry.py`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = ""
    title: ClassVar[str] = ""
    """The method's name in print."""
    source: ClassVar[str] = ""
    """The publication, with the section or equation that is implemented."""
    signed: ClassVar[bool] = True
    """Whether negative values mean evidence against the target."""
    channel_max: ClassVar[bool] = False
    """Whether heatmaps take the largest absolute value of a position's channels, not their sum."""
    satisfies_completeness: ClassVar[bool] = False
    """Whether attributions should sum to the target's value; see `relative_to_baseline`."""
    relative_to_baseline: ClassVar[bool] = True
    """What a complete method's sum is compared with.

    True: the target's value less its value at `baseline()`. False: the target's value itself, for methods
    that propagate the output back (relevance propagation).
    """

    if not TYPE_CHECKING:  # checkers and editors know the fields from pydantic

        def __init__(self, /, **values: Any) -> None:
            """Validate the settings; text is converted to the fields' types.

            Args:
                **values: settings by field name.

            Raises:
                UsageError: a setting is unknown or out of range.
            """
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise _refused(error, type(self), str(values.get("name") or type(self).__name__)) from None

        __init__.__pydantic_base_init__ = True  # as in Recipe

    @abstractmethod
    def attributions(self, task: AttributionTask) -> Iterator[PartialAttribution]:
        """Compute what each value of each input contributes to the row's target.

        Runs with frozen weights and modes. A method that needs many passes yields partial results between
        them, and may be stopped there.

        Args:
            task: the task: network, inputs and targets.

        Yields:
            The attributions so far; the last one is complete, with a share of 1.
        """

    def baseline(self, task: AttributionTask) -> tuple[Tensor, ...]:
        """Return the reference input that attributions are relative to; by default the mean.

        Args:
            task: the task: network, inputs and targets.

        Returns:
            One tensor in the shape of each input.
        """
        return task.baseline("mean")

    def reduced(self) -> "Method":
        """Return a cheaper variant with fewer samples, for metrics that run the method repeatedly."""
        return self

    def settings(self) -> dict[str, Any]:
        """Return the settings without the name, JSON-ready."""
        return self.model_dump(mode="json", exclude={"name"})


def _refused(error: ValidationError, method: type[Method], name: str) -> UsageError:
    """Return pydantic's complaints about the settings of a method as one error of this package."""
    known = [field for field in method.model_fields if field != "name"]
    places = [(".".join(map(str, e["loc"])), e) for e in error.errors()]
    unknown = next((place for place, e in places if e["type"] == "extra_forbidden"), "")
    if unknown:
        hint = settings_hint(unknown, [*known, *ARGUMENTS])
        return UsageError(f"a setting of {name}", received=unknown, hint=hint)
    problems = "; ".join(f"{place}: {e['msg']}" for place, e in places)
    return UsageError(
        f"settings of {name} that fit ({problems})",
        received=", ".join(f"{place} = {str(e['input'])[:80]!r}" for place, e in places),
        hint=f"It has {', '.join(known) or 'no settings'}.",
    )
