"""The gradient itself: what would change the answer if it changed a little."""

from collections.abc import Iterator
from typing import ClassVar

from typing_extensions import override

from convscope.see.explaining.gradients import each_gradient
from convscope.see.explaining.method import Method, Part
from convscope.see.explaining.question import Question


class Saliency(Method):
    """The gradient of the target with respect to the input; of a pixel's channels the largest counts."""

    name: str = "saliency"
    title: ClassVar[str] = "Saliency"
    source: ClassVar[str] = "Simonyan et al. 2014, arXiv:1312.6034, §3"
    signed: ClassVar[bool] = False
    strongest: ClassVar[bool] = True

    @override
    def attributions(self, question: Question) -> Iterator[Part]:
        """The gradient, signed."""
        yield Part(each_gradient(question))
