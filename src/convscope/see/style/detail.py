"""What of the content image is put back between two scales of style transfer."""

from jaxtyping import Float
from torch import Tensor

from convscope.see.attribution.heatmaps import blurred, interpolate
from convscope.see.style.problem import COLOUR_SIZE, fitted, resized

DETAIL = 0.9
"""Share of the content's detail that is added at each finer scale; all of it would stay a photograph."""
KEPT = 0.75
"""Share of the painted image that the content replaces, where it is far from flat."""
KEPT_SCALES = 2
"""Number of scales, from the second on, that begin so: up to four times the coarsest size. Put back at 512 px
too, a face is a photograph; left alone there, it gets its strokes in the last steps."""
NEIGHBOURHOOD = 1 / 48
"""Standard deviation of the Gaussian by which local contrast is measured, as a share of the shorter side."""
EQUAL_CONTRAST = 0.02
"""Local contrast at which half of `KEPT` is kept, for values from 0 to 1. Medians of photographs: 0.004 in a
clear sky, 0.02 in a wall out of focus, 0.06 to 0.13 in eyes and mouths, 0.11 in a row of houses."""


def content_share(content: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 1 h w"]:
    """Return which share of each pixel is kept: `KEPT` c² / (c² + `EQUAL_CONTRAST`²).

    The local contrast c is the standard deviation of the image about its own blurred version.

    Args:
        content: the image, in [0, 1]; it is reduced to at most `COLOUR_SIZE` pixels along its longer side.

    Returns:
        Shares from 0, where the image is flat, to almost `KEPT`.
    """
    size = (content.shape[2], content.shape[3])
    small = resized(content, fitted(size, min(max(size), COLOUR_SIZE)))
    squares = (small - blurred(small, NEIGHBOURHOOD)).square().mean(1, keepdim=True)
    variance = blurred(squares, NEIGHBOURHOOD)
    return KEPT * interpolate(variance / (variance + EQUAL_CONTRAST**2), size)


def with_detail_of(
    content: Float[Tensor, "1 c h w"],
    image: Float[Tensor, "1 c y x"],
    kept: Float[Tensor, "1 1 h w"] | None = None,
) -> Float[Tensor, "1 c h w"]:
    """Enlarge an image, and put back what it has lost of the content.

    Everywhere the detail is added that the smaller size could not hold: windows and branches come back that
    way, and are painted over where the style asks for it; found from activations alone they would take
    hundreds of steps. Of the rest a share is put back: eyes and mouths are as small at the coarsest scale as
    the style's strokes, and fine detail alone, over a face whose light and shade were painted away, is no
    face.

    Args:
        content: the content image, in [0, 1]; its size is the result's.
        image: the image at the same or a smaller size, in [0, 1].
        kept: share of each pixel that the content replaces, from 0 to 1, as from `content_share`; None for
            0 everywhere.

    Returns:
        The enlarged image, clamped to [0, 1]; the same tensor if the sizes are equal.
    """
    size, small = (content.shape[2], content.shape[3]), (image.shape[2], image.shape[3])
    if size == small:
        return image
    content = content.to(image.device)
    detail = content - resized(resized(content, small), size)
    painted = (resized(image, size) + DETAIL * detail).clamp(0, 1)
    return painted if kept is None else painted + kept.to(image.device) * (content - painted)
