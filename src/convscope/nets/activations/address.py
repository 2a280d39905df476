"""Addresses inside a network: which layer, which call of it, which part of its output, which unit, where."""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from convscope.errors import PlaceError, nearest
from convscope.recipe import whole_number

if TYPE_CHECKING:
    from torch import Tensor

RESULT = "output"
"""The layer name that stands for the network's result."""

_TEXT = re.compile(
    r"(?P<layer>[^#\[\]:@\s]+)"
    r"(?:#(?P<call>[0-9]{1,18}))?"
    r"(?:\[(?P<key>[^\]]+)\])?"
    r"(?::(?P<unit>[^@]+))?"
    r"(?:@(?P<position>[0-9]{1,18}(?:,[0-9]{1,18})*))?"
)


@dataclass(frozen=True)
class LayerAddress:
    """Address of a layer's output, one of its units, or one neuron: `layer[#call][[key]][:unit][@y,x]`.

    `layer3.0.conv2` is a layer, `layer3.0.conv2:17` one of its units (channels), `layer3.0.conv2:17@5,5`
    one neuron, `relu#2` the second call of a module that runs several times, `encoder[hidden]:3` a unit of
    one entry of a dict or tuple, `output:tench` a unit of the network's result by its label.

    Attributes:
        layer: dotted name of the submodule, as in `nn.Module.named_modules`; `output` is the network's
            result.
        call: number of the call, counted from 1; None is the last call.
        key: entry of the dict, tuple or dataclass that the layer returns, nested keys joined by dots; None
            is the first tensor.
        unit: index of the channel, or its label; None selects all.
        position: index on each spatial axis, such as `(y, x)`, counted from 0; None selects all.
    """

    layer: str
    call: int | None = None
    key: str | None = None
    unit: int | str | None = None
    position: tuple[int, ...] | None = None

    @classmethod
    def parse(cls, text: "str | LayerAddress") -> "LayerAddress":
        """Parse an address from its text; a `LayerAddress` is returned unchanged.

        Only the syntax is checked; whether the layer exists is checked by
        `convscope.nets.activations.recording.resolve`.

        Args:
            text: the address, such as `conv2:17@5,5`.

        Returns:
            The parsed address; a unit that is no whole number is kept as a label.

        Raises:
            PlaceError: the text is no address, or its call is 0.
        """
        if isinstance(text, LayerAddress):
            return text
        found = _TEXT.fullmatch(text.strip())
        if not found:
            raise PlaceError("an address like layer:unit@y,x", received=repr(text), hint=_EXAMPLES)
        call, unit, position = found["call"], found["unit"], found["position"]
        if call is not None and int(call) == 0:
            raise PlaceError("the number of a call of a layer, counted from 1", received=repr(text))
        return cls(
            layer=found["layer"],
            call=None if call is None else int(call),
            key=found["key"],
            unit=_number_or_label(unit),
            position=None if position is None else tuple(int(part) for part in position.split(",")),
        )

    def __str__(self) -> str:
        return self.layer_text + self._selection()

    @property
    def layer_text(self) -> str:
        """Text of the address without unit and position: the layer output that has to be recorded."""
        call = "" if self.call is None else f"#{self.call}"
        key = "" if self.key is None else f"[{self.key}]"
        return f"{self.layer}{call}{key}"

    @property
    def layer_only(self) -> "LayerAddress":
        """Address without unit and position."""
        return replace(self, unit=None, position=None)

    def _selection(self) -> str:
        unit = "" if self.unit is None else f":{self.unit}"
        return unit if self.position is None else f"{unit}@{','.join(map(str, self.position))}"

    def select(self, act: "Tensor") -> "Tensor":
        """Slice the unit and position of this address out of a layer's output.

        Args:
            act: the whole output of the layer, `[b c ...]`, channels first. The unit must be a number, see
                `check_selection`.

        Returns:
            `[b c ...]` without unit and position, `[b ...]` for a unit, `[b c]` for a position, `[b]` for
            both; a view.
        """
        if self.position is not None:
            act = act[(slice(None), slice(None), *self.position)]
        return act if self.unit is None else act[:, int(self.unit)]


def _number_or_label(text: str | None) -> int | str | None:
    if text is None:
        return None
    number = whole_number(text)
    return text.strip() if number is None else number


_EXAMPLES = "For example: conv2, conv2:17, conv2:17@5,5, relu#2, encoder[hidden]:3, output:tench"


def check_selection(
    place: LayerAddress, shape: tuple[int, ...], labels: tuple[str, ...] = ()
) -> LayerAddress:
    """Check the unit and position of an address against a layer's output shape.

    Args:
        place: the address to check.
        shape: output shape of the layer without batch axis, `(channels, ...)`.
        labels: names of the units, in order; a label may hold several synonyms separated by commas.
            Compared without regard to case.

    Returns:
        The address with its unit as a number.

    Raises:
        PlaceError: the unit or the position lies outside the layer, or there is no such label.
    """
    unit = _unit(place, labels, shape[0] if shape else 0)
    if unit is not None and (not shape or unit >= shape[0]):
        layer = place.layer_text
        units = (
            f"one of the units 0 to {shape[0] - 1} of {layer}" if shape else f"a unit, which {layer} has not"
        )
        last = f"They are counted from 0: {place.layer_text}:{shape[0] - 1} is the last one." if shape else ""
        hint = last or "Choose another layer: convscope describe lists them."
        raise PlaceError(units, received=str(place), hint=hint)
    if place.position is not None:
        size = shape[1:]
        if len(place.position) != len(size) or any(p >= s for p, s in zip(place.position, size, strict=True)):
            extent = (
                f"one of the {' x '.join(map(str, size))} positions of {place.layer_text}, counted from 0"
                if size
                else f"a unit of {place.layer_text} without a position: it has none"
            )
            last = ",".join(str(count - 1) for count in size)
            unit_of = f"{place.layer_text}:{place.unit}" if place.unit is not None else place.layer_text
            hint = f"The last one is {unit_of}@{last}." if size else f"Leave it out: {unit_of}"
            raise PlaceError(extent, received=str(place), hint=hint)
    return replace(place, unit=unit)


def _unit(place: LayerAddress, labels: tuple[str, ...], extent: int) -> int | None:
    """Return the number of the unit, of `extent` units."""
    if not isinstance(place.unit, str):
        return place.unit
    wanted = place.unit.casefold()
    names = [label.casefold() for label in labels]
    if wanted in names:
        return names.index(wanted)
    synonyms = [i for i, name in enumerate(names) if wanted in (part.strip() for part in name.split(","))]
    if len(synonyms) == 1:
        return synonyms[0]
    if not labels:
        raise PlaceError(
            f"the number of a unit of {place.layer_text}",
            received=place.unit,
            hint=f"Its units have numbers only: 0 to {extent - 1}." if extent else "It has no units.",
        )
    raise PlaceError(
        f"the number or label of a unit of {place.layer_text}",
        received=place.unit,
        hint=nearest(wanted, names),
    )
