"""The gradient, where ReLUs let only what speaks for the target back."""

from collections.abc import Iterator
from typing import ClassVar

from typing_extensions import override

from convscope.see.explaining.gradients import each_gradient
from convscope.see.explaining.method import Method, Part
from convscope.see.explaining.question import Question
from convscope.see.explaining.rectifiers import Guided, rectified


class GuidedBackprop(Method):
    """The gradient; on its way back each ReLU stops what is negative and what it had not let forward."""

    name: str = "guided"
    title: ClassVar[str] = "Guided backprop"
    source: ClassVar[str] = "Springenberg et al. 2015, arXiv:1412.6806, §3.4"
    signed: ClassVar[bool] = False
    strongest: ClassVar[bool] = True

    @override
    def attributions(self, question: Question) -> Iterator[Part]:
        """Known to look like edges, whatever the weights (Adebayo et al. 2018): mind that check."""
        with rectified(Guided(question.net.module)) as mode:
            yield Part(each_gradient(question, lambda: mode))
