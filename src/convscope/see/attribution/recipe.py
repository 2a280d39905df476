"""The settings of `convscope explain`. Imports no torch."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from convscope.errors import UsageError, nearest
from convscope.recipe import OnInput, OnlyWith
from convscope.recipe.fields import LayerName, Picture, Takes, UnitName
from convscope.see.attribution.registry import METHOD_ALIASES, METHODS


def _registered(name: str) -> str:
    """Refuse a name that no method has; which ones there are may change while the program runs."""
    if name not in METHODS:
        raise UsageError(
            f"a method: {', '.join(METHODS)}",
            received=name[:100],
            hint=nearest(name, METHODS, aliases=METHOD_ALIASES),
        )
    return name


MethodName = Annotated[str, AfterValidator(_registered), Takes("a method", "gradcam")]


class ExplainRecipe(OnInput):
    """Settings of `convscope explain`: attribution maps of a network's output for one image."""

    verb: ClassVar[str] = "explain"
    positional: ClassVar[tuple[str, ...]] = ("image",)
    only_with: ClassVar[tuple[OnlyWith, ...]] = (
        OnlyWith("box", checks=True, hint="The pointing game is one of the checks."),
    )

    image: Picture = Field(min_length=1, description="a picture, or a sound")
    method: list[MethodName] = Field(
        [],
        description=f"how to explain: {', '.join(METHODS)}; if left out gradcam, of texts integrated, all "
        "with --compare",
    )
    target: list[UnitName] = Field(
        [],
        description="what to explain: a class (tench, 0) or place (blocks.3.0:17); the likeliest if left out",
    )
    wrt: LayerName = Field(
        "",
        description="with respect to what: a layer, whose output is attributed in place of the input, or "
        "input; if left out the spectrogram that a network of sounds makes, else the input",
    )
    compare: bool = Field(False, description="methods side by side, as a picture and a page")
    set: list[str] = Field([], description="a method's setting: samples=64, or rise.samples=64")
    checks: bool = Field(True, description="also measure how faithful each explanation is")
    box: list[str] = Field(
        [],
        description="where the target is in the picture, for the pointing game: left,top,right,bottom",
    )

    def methods(self, *, of_tokens: bool = False) -> list[str]:
        """Return the methods to run: those named, else all with `compare`, else one.

        Args:
            of_tokens: whether the network reads tokens, for which that one is integrated gradients; else it
                is Grad-CAM.

        Returns:
            Names of methods.
        """
        default = "integrated" if of_tokens else "gradcam"
        return list(self.method) or (list(METHODS) if self.compare else [default])
