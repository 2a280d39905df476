"""Layer-wise relevance propagation (LRP)."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from convscope.errors import UsageError
from convscope.nets.network import is_out_of_memory
from convscope.see.attribution.folding import plan_folding
from convscope.see.attribution.gradients.input_gradients import batched_input_gradients
from convscope.see.attribution.method import Method, PartialAttribution
from convscope.see.attribution.methods.lrp_rules import LrpMode, RuleMap
from convscope.see.attribution.target import AttributionTask
from convscope.see.features.recording import HALVES


class Lrp(Method):
    """Layer-wise relevance propagation through convolutions, dense layers, pools, sums and gates.

    Batch normalisation is folded into the convolution before it where nothing else reads that.
    """

    name: str = "lrp"
    title: ClassVar[str] = "LRP"
    source: ClassVar[str] = (
        "Bach et al. 2015, doi:10.1371/journal.pone.0130140; rules: Montavon et al. 2019, ch. 10"
    )
    satisfies_completeness: ClassVar[bool] = True
    relative_to_baseline: ClassVar[bool] = False

    rule: Literal["composite", "epsilon", "gamma", "zplus"] = Field(
        "composite",
        description="composite: epsilon for dense layers, z-plus for convolutions; or one rule for all",
    )
    epsilon: float = Field(1e-6, ge=0, le=1e6, description="what denominators are kept away from 0 by")
    gamma: float = Field(
        0.25, ge=0, le=1e6, description="how much the gamma rule favours what contributes positively"
    )

    @override
    def attributions(self, task: AttributionTask) -> Iterator[PartialAttribution]:
        """Yield relevance: (input - origin) times the gradient that the rules define."""
        dense, conv = {"composite": ("epsilon", "zplus")}.get(self.rule, (self.rule, self.rule))
        rules = RuleMap(dense=dense, convolution=conv, epsilon=self.epsilon, gamma=self.gamma)
        precise = _in_full(task)
        fold = plan_folding(precise, every_format=True)

        @contextmanager
        def during() -> Iterator[LrpMode]:
            with LrpMode(precise.net.module, rules) as relevance, fold():  # the inner one sees calls first
                yield relevance

        gradients = batched_input_gradients(precise, during)
        found = zip(task.inputs, task.origin(), gradients, strict=True)
        yield PartialAttribution(tuple((x - zero) * gradient for x, zero, gradient in found))


def _in_full(task: AttributionTask) -> AttributionTask:
    """Return the task for a float32 copy of a network in half precision; others stay as they are.

    Relevance is divided by small values, whose rounding in half precision would dominate the result.

    Raises:
        UsageError: the network cannot be copied.
    """
    net = task.net
    if net.dtype not in HALVES:
        return task
    try:
        module = deepcopy(net.module).float()
    except (RuntimeError, TypeError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        raise UsageError(
            "a network in half precision that can be copied to float32, in which relevance is computed",
            received=next(iter(str(error).splitlines()), type(error).__name__),
            hint="Convert it with .float(), or use integrated or occlusion.",
        ) from error
    return replace(task, net=net.with_module(module))
