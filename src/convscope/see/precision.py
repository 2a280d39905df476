"""Which precision the steps of an ascent are computed in: measured once for a network, its layers, a machine.

Processors with matrix units take ordinary networks several times faster in bfloat16, others and depthwise
networks slower. What was chosen is written into the recipe, so that it makes the same picture anywhere.
"""

from dataclasses import replace
from typing import Any, Literal

from convscope.errors import ConvscopeError
from convscope.nets import Net
from convscope.nets.speed import measured
from convscope.see.ascent import Climb
from convscope.see.canvas import pixels
from convscope.see.objective import Objective
from convscope.see.pace import WORTH, Pace, Trial, facts_of

Precision = Literal["float32", "bfloat16"]


def faster(
    net: Net, goal: Objective, climb: Climb, *, size: tuple[int, ...] = (), autocast: bool = False
) -> Precision:
    """`bfloat16` where a step in it takes clearly less, else `float32`; also where it is not possible.

    Args:
        net: the network itself; its quick copies are tried.
        goal: what is ascended, or what costs as much.
        climb: how; its precision does not matter.
        size: of the pictures to try with, if not the contract's.
        autocast: whether operations are in that precision too where they are not made for it.
    """

    def measure() -> dict[str, str]:
        plain = _seconds(net, goal, replace(climb, precision="float32"), "float32", size)
        inner: Precision = "bfloat16" if autocast else "float32"
        try:
            half = _seconds(net, goal, replace(climb, precision=inner), "bfloat16", size)
        except (ConvscopeError, RuntimeError):  # an operation that has no such arithmetic here
            half = float("inf")
        return {"precision": "bfloat16" if half * WORTH < plain else "float32"}

    layers = [str(place) for place in goal.places]
    facts = ["a step", *facts_of(net), layers, climb.channels_last, size, autocast]
    answers: tuple[dict[str, Any], ...] = ({"precision": "bfloat16"}, {"precision": "float32"})
    found = measured(facts, net.device, measure, lambda kept: kept in answers)
    return "bfloat16" if found == answers[0] else "float32"


def _seconds(net: Net, goal: Objective, climb: Climb, precision: Precision, size: tuple[int, ...]) -> float:
    canvas = pixels(net.contract, [0], size=size, device=net.device)
    copy = Pace(precision, climb.channels_last).copy_of(net, canvas.images().detach(), goal.places)
    return Trial(copy, goal, canvas, climb, ()).seconds()
