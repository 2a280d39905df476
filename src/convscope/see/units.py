"""Many units at once: `conv2:*` is every unit of a layer, `conv2:0-7` the first eight."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from convscope.errors import PlaceError
from convscope.nets import Net, Place, resolve, survey

_MANY = re.compile(
    r"(?P<layer>.+):(?:(?P<every>\*)|(?P<first>[0-9]{1,18})-(?P<last>[0-9]{1,18}))(?P<position>@[0-9,]+)?"
)


def expanded(net: Net, texts: Iterable[str | Place]) -> tuple[Place, ...]:
    """The places that are meant, one by one, each checked.

    Raises:
        PlaceError: one of them is not in this network.
    """
    return tuple(place for text in texts for place in _expanded(net, text))


def _expanded(net: Net, text: str | Place) -> Iterator[Place]:
    many = _MANY.fullmatch(text.strip()) if isinstance(text, str) else None
    if many is None:
        yield resolve(net, text, check_position=False)
        return
    layer = resolve(net, many["layer"])
    first = int(many["first"] or 0)
    last = unit_count(net, layer) - 1 if many["every"] else int(many["last"])
    if last < first:
        raise PlaceError(
            "a range of units from the lower to the higher",
            received=str(text),
            hint=f"Write {layer}:{last}-{first}.",
        )
    for unit in range(first, last + 1):
        place = replace(layer, unit=unit)
        yield resolve(net, f"{place}{many['position']}" if many["position"] else place, check_position=False)


def unit_count(net: Net, place: Place) -> int:
    """How many units the layer of a resolved place has."""
    parts = survey(net)[place.layer][(place.call or 0) - 1]
    shape = next(iter(parts.values())) if place.key is None else parts[place.key]
    return shape[0]
