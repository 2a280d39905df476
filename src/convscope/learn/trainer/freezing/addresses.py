"""Addresses of what can be frozen, and when a recipe freezes or thaws it. Text alone: no torch."""

import re
from dataclasses import dataclass

from convscope.errors import PlaceError

_ADDRESS = re.compile(r"(?P<layer>[^\s:#@,]+)(?::(?P<unit>[0-9]{1,18})(?:,(?P<source>[0-9]{1,18}))?)?")
_CHANGE = re.compile(r"(?P<address>\S+)(?:\s+at\s+epoch\s+(?P<epoch>[0-9]{1,18}))?")
_WILD = frozenset("*?[")
EXAMPLES = "For example: conv2, conv2:7 (a feature map), conv2:7,3 (its kernel for input map 3), blocks.*"


@dataclass(frozen=True)
class ParameterAddress:
    """Address of parameters: `layer[:unit[,source]]`.

    `layer3.0.conv2` is a layer with all that it contains, `layer3.0.conv2:17` the weights of one of its
    units (a feature map), `layer3.0.conv2:17,4` one link: the kernel with which unit 17 reads input map 4,
    as in `weight[17, 4]`. `fc.bias` is one parameter. A layer may be a pattern of `*`, `?` and `[abc]`, in
    which `*` also stands for dots: `blocks.*`, `*.bn?`.

    Attributes:
        layer: dotted name of a submodule or parameter, or a pattern.
        unit: index of a unit; None for all of the layer.
        source: index of the input map of a link; None for all that the unit reads.
    """

    layer: str
    unit: int | None = None
    source: int | None = None

    @classmethod
    def parse(cls, text: str) -> "ParameterAddress":
        """Parse an address from its text; whether it exists is found out by `resolve`.

        Args:
            text: the address, such as `conv2:7,3`.

        Returns:
            The address.

        Raises:
            PlaceError: the text is no such address.
        """
        found = _ADDRESS.fullmatch(text.strip())
        if not found:
            raise PlaceError(
                "an address like layer, layer:unit or layer:unit,source", received=text, hint=EXAMPLES
            )
        unit, source = found["unit"], found["source"]
        return cls(
            found["layer"], None if unit is None else int(unit), None if source is None else int(source)
        )

    def __str__(self) -> str:
        unit = "" if self.unit is None else f":{self.unit}"
        return self.layer + (unit if self.source is None else f"{unit},{self.source}")

    @property
    def is_pattern(self) -> bool:
        """Whether the layer's name has wildcards."""
        return not _WILD.isdisjoint(self.layer)


@dataclass(frozen=True)
class Change:
    """Something that a recipe freezes or thaws, and when.

    Attributes:
        address: what.
        epoch: epoch before whose first step it is done, counted from 1.
    """

    address: str
    epoch: int

    @classmethod
    def parse(cls, text: str) -> "Change":
        """Parse an entry of a recipe's `freeze` or `thaw`: `blocks.5` or `blocks.5 at epoch 3`.

        Args:
            text: an address, and an epoch; without one it is the first.

        Returns:
            The change.

        Raises:
            PlaceError: the text is something else.
        """
        found = _CHANGE.fullmatch(text.strip())
        epoch = int(found["epoch"] or 1) if found else 0
        if not found or epoch < 1 or not _ADDRESS.fullmatch(found["address"]):
            raise PlaceError(
                "an address, or one with an epoch from 1, as in 'blocks.5 at epoch 3'",
                received=text,
                hint=EXAMPLES,
            )
        return cls(found["address"], epoch)
