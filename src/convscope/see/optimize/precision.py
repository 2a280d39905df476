"""Which precision the steps of an ascent are computed in: measured once for a network, its layers, a machine.

Processors with matrix units take ordinary networks several times faster in bfloat16, others and depthwise
networks slower. What was chosen is written into the recipe, so that it makes the same picture anywhere.
"""

from dataclasses import replace
from typing import Any, Literal

from convscope.errors import ConvscopeError
from convscope.nets import Net
from convscope.nets.inference.execution import cached_measurement
from convscope.see.optimize.autotune import MIN_SPEEDUP, Benchmark, ExecutionPlan, cache_key
from convscope.see.optimize.image_params.base import pixel_image
from convscope.see.optimize.loop import OptimizerConfig
from convscope.see.optimize.objective import Objective

Precision = Literal["float32", "bfloat16"]


def fastest_dtype(
    net: Net, goal: Objective, climb: OptimizerConfig, *, size: tuple[int, ...] = (), autocast: bool = False
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
        return {"precision": "bfloat16" if half * MIN_SPEEDUP < plain else "float32"}

    layers = [str(place) for place in goal.places]
    facts = ["a step", *cache_key(net), layers, climb.channels_last, size, autocast]
    answers: tuple[dict[str, Any], ...] = ({"precision": "bfloat16"}, {"precision": "float32"})
    found = cached_measurement(facts, net.device, measure, lambda kept: kept in answers)
    return "bfloat16" if found == answers[0] else "float32"


def _seconds(
    net: Net, goal: Objective, climb: OptimizerConfig, precision: Precision, size: tuple[int, ...]
) -> float:
    canvas = pixel_image(net.contract, [0], size=size, device=net.device)
    copy = ExecutionPlan(precision, climb.channels_last).copy_of(net, canvas.images().detach(), goal.places)
    return Benchmark(copy, goal, canvas, climb, ()).seconds()
