"""The network run backwards: ReLUs rectify what comes back."""

from collections.abc import Iterator
from typing import ClassVar

from typing_extensions import override

from convscope.see.explaining.gradients import each_gradient
from convscope.see.explaining.method import Method, Part
from convscope.see.explaining.question import Question
from convscope.see.explaining.rectifiers import Backwards, rectified


class Deconvnet(Method):
    """The gradient; on its way back each ReLU stops what is negative, whatever its own input was."""

    name: str = "deconvnet"
    title: ClassVar[str] = "Deconvnet"
    source: ClassVar[str] = "Zeiler and Fergus 2014, arXiv:1311.2901, §2"
    signed: ClassVar[bool] = False
    strongest: ClassVar[bool] = True

    @override
    def attributions(self, question: Question) -> Iterator[Part]:
        """What a deconvolutional network of the same weights would paint."""
        with rectified(Backwards(question.net.module)) as mode:
            yield Part(each_gradient(question, lambda: mode))
