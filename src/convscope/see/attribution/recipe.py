"""The settings of `convscope explain`. Imports no torch."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from convscope.recipe import OnInput, OnlyWith
from convscope.see.attribution.registry import METHODS

if TYPE_CHECKING:
    Name = str
else:
    Name = Literal[tuple(METHODS)]


class ExplainRecipe(OnInput):
    """Settings of `convscope explain`: attribution maps of a network's output for one image."""

    verb: ClassVar[str] = "explain"
    positional: ClassVar[tuple[str, ...]] = ("image",)
    only_with: ClassVar[tuple[OnlyWith, ...]] = (
        OnlyWith("box", checks=True, hint="The pointing game is one of the checks."),
    )

    image: str = Field(min_length=1, description="a picture")
    method: list[Name] = Field([], description="how to explain; gradcam if left out, all with --compare")
    target: list[str] = Field(
        [],
        description="what to explain: a class (tench, 0) or place (blocks.3.0:17); the likeliest if left out",
    )
    compare: bool = Field(False, description="methods side by side, as a picture and a page")
    set: list[str] = Field([], description="a method's setting: samples=64, or rise.samples=64")
    checks: bool = Field(True, description="also measure how faithful each explanation is")
    box: list[str] = Field(
        [],
        description="where the target is in the picture, for the pointing game: left,top,right,bottom",
    )

    @property
    def methods(self) -> list[str]:
        """The methods to run: those named, else all with `compare`, else Grad-CAM."""
        return list(self.method) or (list(METHODS) if self.compare else ["gradcam"])
