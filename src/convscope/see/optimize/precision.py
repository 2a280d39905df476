"""Choose the precision of the optimisation steps: measured once for a network, its layers and a machine.

Processors with matrix units run ordinary networks several times faster in bfloat16, others and depthwise
networks slower. What was chosen is written into the recipe, so that it makes the same image anywhere.
"""

from dataclasses import replace
from typing import Any, Literal

from convscope.errors import ConvscopeError
from convscope.nets import Net
from convscope.nets.inference.execution import cached_measurement
from convscope.see.optimize.autotune import MIN_SPEEDUP, Benchmark, ExecutionPlan, cache_key
from convscope.see.optimize.image_params.base import pixel_image
from convscope.see.optimize.loop import OptimizerConfig
from convscope.see.optimize.objectives.objective import Objective

Precision = Literal["float32", "bfloat16"]


def fastest_dtype(
    net: Net, goal: Objective, climb: OptimizerConfig, *, size: tuple[int, ...] = (), autocast: bool = False
) -> Precision:
    """Return the precision in which an optimisation step is fastest: `bfloat16` if it is clearly faster.

    A few steps in both are timed, once; the answer is cached for the network's code and shapes, the
    arguments and the machine.

    Args:
        net: the network itself; copies of it for inference are timed.
        goal: the objective, or one that costs as much.
        climb: the optimizer's settings; its precision is ignored.
        size: spatial size of the images to try with, if not the spec's.
        autocast: whether the steps with a bfloat16 copy also run under `torch.autocast`.

    Returns:
        `bfloat16` where it is more than `MIN_SPEEDUP` times as fast, else `float32`; also where the network
        cannot run in bfloat16, or its values overflow.
    """

    def measure() -> dict[str, str]:
        full = _seconds(net, goal, replace(climb, precision="float32"), "float32", size)
        inner: Precision = "bfloat16" if autocast else "float32"
        try:
            reduced = _seconds(net, goal, replace(climb, precision=inner), "bfloat16", size)
        except (ConvscopeError, RuntimeError):  # an operation that has no bfloat16 kernel here
            reduced = float("inf")
        return {"precision": "bfloat16" if reduced * MIN_SPEEDUP < full else "float32"}

    layers = [str(place) for place in goal.places]
    key = ["a step", *cache_key(net), layers, climb.channels_last, size, autocast]
    choices: tuple[dict[str, Any], ...] = ({"precision": "bfloat16"}, {"precision": "float32"})
    found = cached_measurement(key, net.device, measure, lambda kept: kept in choices)
    return "bfloat16" if found == choices[0] else "float32"


def _seconds(
    net: Net, goal: Objective, climb: OptimizerConfig, precision: Precision, size: tuple[int, ...]
) -> float:
    """Return the seconds of one step with a copy of the network in this precision."""
    canvas = pixel_image(net.input_spec, [0], size=size, device=net.device)
    copy = ExecutionPlan(precision, climb.channels_last).copy_of(net, canvas.images().detach(), goal.places)
    return Benchmark(copy, goal, canvas, climb, ()).seconds()
