"""The gradient times the input: on a linear network, exactly what each value contributes."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field
from torch import Tensor
from typing_extensions import override

from convscope.see.explaining.gradients import each_gradient
from convscope.see.explaining.method import Baseline, Method, Part
from convscope.see.explaining.question import Question


class InputXGradient(Method):
    """(input - baseline) times gradient: with the mean as baseline, the normalised input counts."""

    name: str = "inputxgradient"
    title: ClassVar[str] = "Input x gradient"
    source: ClassVar[str] = "Shrikumar et al. 2016, arXiv:1605.01713, §2"
    complete: ClassVar[bool] = True

    compared_with: Baseline = Field("mean", description="the baseline: mean, low (black) or blur")

    @override
    def attributions(self, question: Question) -> Iterator[Part]:
        """Complete where the network is linear."""
        found = zip(question.inputs, self.baseline(question), each_gradient(question), strict=True)
        yield Part(tuple((x - nothing) * gradient for x, nothing, gradient in found))

    @override
    def baseline(self, question: Question) -> tuple[Tensor, ...]:
        """What the input is compared with."""
        return question.baseline(self.compared_with)
