"""Steps of the optimisation loop as something to time and to count: their precision and their memory.

Processors with matrix units run ordinary networks several times faster in bf16, others and depthwise networks
slower. What was chosen is written into the recipe, so that it makes the same image anywhere.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from convscope.nets import Net
from convscope.nets.inference.autotune import Workload, fastest, network_facts, precisions
from convscope.nets.inference.execution import ExecutionConfig, Precision
from convscope.nets.inference.inference_copy import inference_copy
from convscope.nets.inference.memory import step_bytes
from convscope.see.optimize.image_params.base import ImageParameterization, pixel_image
from convscope.see.optimize.loop import OptimizerConfig, optimize_input
from convscope.see.optimize.objectives.objective import Objective
from convscope.see.optimize.transforms import Transform, largest_views

MANY = 1_000_000
"""Steps of a sample run: more than anybody takes."""


@dataclass(frozen=True, eq=False)
class SampleRun:
    """A few optimisation steps whose result is thrown away.

    Attributes:
        net: the network or its copy for inference.
        goal: objective for the batch.
        params: parameterization of the images.
        config: the optimizer's settings.
        transforms: applied at each step.
    """

    net: Net
    goal: Objective
    params: ImageParameterization
    config: OptimizerConfig
    transforms: tuple[Transform, ...] = ()

    def step(self) -> Callable[[], object]:
        """Return a function that takes one more step at each call."""
        steps = optimize_input(
            self.net, self.goal, self.params, steps=MANY, config=self.config, transforms=self.transforms
        )
        return lambda: next(steps)

    def bytes(self) -> float:
        """Return the most bytes that a step takes beside the network's weights."""
        largest = largest_views(self.transforms)
        last = optimize_input(
            self.net, self.goal, self.params, steps=0, config=self.config, transforms=largest
        )
        return step_bytes(self.net.module, lambda: next(last))


def fastest_precision(
    net: Net,
    goal: Objective,
    config: OptimizerConfig,
    *,
    size: tuple[int, ...] = (),
    autocast: bool = False,
) -> Precision:
    """Return the precision in which an optimisation step is fastest: bf16 if it is clearly faster.

    A few steps in both are timed, once; the answer is cached for the network's code and shapes, the
    arguments and the machine.

    Args:
        net: the network itself; copies of it for inference are timed.
        goal: the objective, or one that costs as much.
        config: the optimizer's settings; its precision is ignored.
        size: spatial size of the images to try with, if not the spec's.
        autocast: whether the steps with a bf16 copy also run under `torch.autocast`.

    Returns:
        `bf16` or `fp32`; fp32 also where the network cannot run in bf16, or its values overflow.
    """

    def prepare(execution: ExecutionConfig) -> Callable[[], object]:
        params = pixel_image(net.input_spec, [0], size=size, device=net.device)
        copy = inference_copy(net, params.images().detach(), goal.places, execution)
        precision = execution.precision if autocast else "fp32"
        return SampleRun(copy, goal, params, replace(config, precision=precision)).step()

    facts = ["ascent", *network_facts(net), [str(place) for place in goal.places], size, autocast]
    candidates = [ExecutionConfig(one, config.memory_format) for one in precisions(net.device)]
    return fastest(Workload(facts, net.device, prepare), candidates).precision
