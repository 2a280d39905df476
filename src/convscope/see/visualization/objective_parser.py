"""Parse objectives from text: `conv2:17 - 0.3*conv2:7`.

An objective is a sum of terms, with spaces around its `+` and `-`. A term is a place or a penalty (`l1()`),
with an optional numeric factor before or after it. The text is parsed by regular expressions, never
evaluated.
"""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from convscope.errors import PlaceError, UsageError, nearest
from convscope.nets import LayerAddress, Net, layer_shapes, named_address, resolve, takes_network
from convscope.see.optimize.objectives import regularizers
from convscope.see.optimize.objectives.activations import default_objective
from convscope.see.optimize.objectives.objective import Objective

PENALTIES = {
    "l1": regularizers.l1,
    "l2": regularizers.l2,
    "total_variation": regularizers.total_variation,
    "blur": regularizers.blur_penalty,
}
_NUMBER = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_TERM = re.compile(
    rf"(?P<sign>[+-]?)\s*(?:(?P<before>{_NUMBER})\s*\*\s*)?(?P<what>[^\s*/+-].*?)"
    rf"(?:\s*(?P<way>[*/])\s*(?P<after>{_NUMBER}))?"
)
_BETWEEN = re.compile(r"\s+([+-])\s+")
_EXAMPLE = "For example: conv2:17 - 0.3*conv2:7"


@dataclass(frozen=True)
class Target:
    """The objective of one synthetic image.

    Attributes:
        text: its name, with a class by its own name; unique among the images of one recipe.
        goal: the objective to maximise, without the recipe's penalties.
        place: the first place that the objective reads; the diversity of variants is measured there.
        seed_text: text from which, with the recipe's seed, the seed of the starting noise is derived.
    """

    text: str
    goal: Objective
    place: LayerAddress
    seed_text: str


def parse_targets(net: Net, texts: list[str], reduce: str = "mean") -> Iterator[Target]:
    """Parse texts into targets.

    Args:
        net: the network in which places are resolved.
        texts: places, ranges of units or sums, like `conv2:17`, `conv2:*`, `conv2:17 - 0.3*conv2:7`.
        reduce: how the feature map of a unit becomes one number: `mean`, `sum`, `max`, `min` or `centre`.

    Yields:
        One target for each sum, and one for each place of a range like `conv2:*`.

    Raises:
        PlaceError: a place is not in this network.
        UsageError: a text is no sum of places.
    """
    for text in texts:
        terms = list(parse_terms(text))
        if len(terms) == 1 and terms[0][0] == 1.0 and terms[0][1] is None:
            for place in expand_units(net, [terms[0][2]]):
                goal = default_objective(place, reduce=reduce)  # pyright: ignore[reportArgumentType]
                yield Target(named_address(net, place), goal, place, str(place))
            continue
        yield _joint(net, text, terms, reduce)


def parse_terms(text: str) -> Iterator[tuple[float, str | None, str]]:
    """Parse a sum into its terms, without looking at a network.

    Args:
        text: the sum, like `conv2:17 - 0.3*l1()`.

    Yields:
        For each term its weight, the penalty's name (None for a place) and its text without the weight.

    Raises:
        UsageError: this is no sum; what is wrong is quoted.
    """
    parts = _BETWEEN.split(text.strip())
    signs = ["+", *parts[1::2]]
    for sign, part in zip(signs, parts[::2], strict=True):
        found = _TERM.fullmatch(part.strip())
        if not found or _unfinished(found["what"], alone=part.strip() == text.strip()):
            raise UsageError(
                "a sum of places, each with or without a number", received=repr(text), hint=_EXAMPLE
            )
        weight = (
            float(found["before"] or 1) * (-1 if found["sign"] == "-" else 1) * (-1 if sign == "-" else 1)
        )
        if found["after"]:
            weight = (
                weight * float(found["after"]) if found["way"] == "*" else _over(weight, found["after"], text)
            )
        if not math.isfinite(weight):
            raise UsageError(
                "weights that are numbers", received=repr(text), hint="For example: 2*conv2:7 - 0.5*conv2:8"
            )
        yield weight, *_named(found["what"], text)


def _unfinished(what: str, *, alone: bool) -> bool:
    """Return whether a term is incomplete: it ends with an operator, or is a number without a place.

    `conv2:*` is every unit of conv2. A number alone is a place only if it is the whole text: layers of an
    `nn.Sequential` have names like `2`.
    """
    number = what.replace(".", "", 1).isdecimal() and not (alone and what.isdecimal())
    return (what[-1] in "+-*/" and not what.endswith(":*")) or number


def _over(weight: float, divisor: str, text: str) -> float:
    if float(divisor) == 0:
        raise UsageError(
            "a weight that is a number",
            received=f"a division by 0 in {text!r}",
            hint="Divide by another number.",
        )
    return weight / float(divisor)


def _named(what: str, text: str) -> tuple[str | None, str]:
    """Return the penalty's name (None for a place) and the text of a term."""
    if not what.endswith("()"):
        return None, what
    if what[:-2] not in PENALTIES:
        raise UsageError(
            f"a penalty: {', '.join(f'{name}()' for name in PENALTIES)}",
            received=f"{what} in {text!r}",
            hint=nearest(what[:-2], PENALTIES),
        )
    return what[:-2], what


def _joint(net: Net, text: str, terms: list[tuple[float, str | None, str]], reduce: str) -> Target:
    """Return the target of a sum of several terms."""
    total, first = Objective(), None
    for weight, penalty, what in terms:
        if penalty is not None:
            total = total + weight * PENALTIES[penalty]()
            continue
        places = expand_units(net, [what])
        if len(places) != 1:
            raise PlaceError("one unit for each term of a sum", received=what, hint=_EXAMPLE)
        first = first or places[0]
        total = total + weight * default_objective(places[0], reduce=reduce)  # pyright: ignore[reportArgumentType]
    if first is None or not total.terms:
        raise UsageError("a sum with a place whose weight is not 0", received=repr(text), hint=_EXAMPLE)
    name = " ".join(text.split())
    return Target(name, total, first, name)


def expand_variants(target: Target, *, both: bool, negative: bool, variants: int) -> Iterator[Target]:
    """Expand a target into its variants, and into its maximised and minimised images.

    Args:
        target: the target.
        both: maximise and minimise; the names of minimised targets begin with `-`.
        negative: only minimise; without effect if `both`.
        variants: number of images with different noise for each sign; names and seeds end with ` ~2`, ` ~3`,
            ...

    Yields:
        The variants of the maximised target, then those of the minimised one.
    """
    for sign in (1, -1) if both else (-1,) if negative else (1,):
        for number in range(1, variants + 1):
            ending = "" if number == 1 else f" ~{number}"
            yield replace(
                target,
                text=("-" if both and sign < 0 else "") + target.text + ending,
                goal=target.goal if sign > 0 else -target.goal,
                seed_text=target.seed_text + ending,
            )


# Many units at once: `conv2:*` is every unit of a layer, `conv2:0-7` the first eight.


_MANY = re.compile(
    r"(?P<layer>.+):(?:(?P<every>\*)|(?P<first>[0-9]{1,18})-(?P<last>[0-9]{1,18}))(?P<position>@[0-9,]+)?"
)


def expand_units(net: Net, texts: Iterable[str | LayerAddress]) -> tuple[LayerAddress, ...]:
    """Expand places and ranges of units into addresses, each resolved in the network.

    Args:
        net: the network.
        texts: places, or ranges of units like `conv2:*` and `conv2:0-7`, each with an optional position.

    Returns:
        The addresses, in order.

    Raises:
        PlaceError: a place is not in this network.
    """
    return tuple(place for text in texts for place in _expand_place(net, text))


def _expand_place(net: Net, text: str | LayerAddress) -> Iterator[LayerAddress]:
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


@takes_network
def unit_count(net: Net, place: LayerAddress) -> int:
    """Return the number of units (channels) of a layer.

    Args:
        net: the network.
        place: a resolved place in the layer; its unit and position are not used.

    Returns:
        The extent of the channel axis of the layer's output.
    """
    parts = layer_shapes(net)[place.layer][(place.call or 0) - 1]
    shape = next(iter(parts.values())) if place.key is None else parts[place.key]
    return shape[0]
