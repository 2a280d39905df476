"""What of the content image is put back between two scales of style transfer."""

from jaxtyping import Float
from torch import Tensor

from convscope.see.attribution.heatmaps import blurred, interpolate
from convscope.see.style.problem import COLOUR_SIZE, fitted, resized

DETAIL = 0.9
"""Share of the content's detail that is added at each finer scale; all of it would stay a photograph."""
KEPT = 0.6
"""Share of the painted image that the content replaces at each finer scale, where it is far from flat."""
NEIGHBOURHOOD = 1 / 48
"""Standard deviation of the Gaussian by which local contrast is measured, as a share of the shorter side."""
EQUAL_CONTRAST = 0.03
"""Local contrast at which half of `KEPT` is replaced, for values from 0 to 1. In the
photographs of `docs/style.md` the sky has 0.004 (medians), a wall out of focus 0.02, eyes and mouths 0.06 to
0.13, rows of houses 0.11."""


def content_share(content: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 1 h w"]:
    """Return how far from flat an image is around each pixel: c² / (c² + `EQUAL_CONTRAST`²).

    The local contrast c is the standard deviation of the image about its own blurred version.

    Args:
        content: the image, in [0, 1]; it is reduced to at most `COLOUR_SIZE` pixels along its longer side.

    Returns:
        Values from 0, where it is flat, to almost 1.
    """
    size = (content.shape[2], content.shape[3])
    small = resized(content, fitted(size, min(max(size), COLOUR_SIZE)))
    squares = (small - blurred(small, NEIGHBOURHOOD)).square().mean(1, keepdim=True)
    variance = blurred(squares, NEIGHBOURHOOD)
    return interpolate(variance / (variance + EQUAL_CONTRAST**2), size)


def with_detail_of(
    content: Float[Tensor, "1 c h w"], image: Float[Tensor, "1 c y x"], share: Float[Tensor, "1 1 h w"]
) -> Float[Tensor, "1 c h w"]:
    """Enlarge an image, and put back what it has lost of the content.

    Everywhere the detail is added that the smaller size could not hold: windows and branches come back that
    way, and are painted over where the style asks for it; found from activations alone they would take
    hundreds of steps. Where the content is far from flat, a share of the image is replaced by it: eyes and
    mouths are as small at the coarsest scale as the style's strokes, and their fine detail alone, over a face
    whose light and shade were painted away, is no face.

    Args:
        content: the content image, in [0, 1]; its size is the result's.
        image: the image at the same or a smaller size, in [0, 1].
        share: how far from flat the content is, as by `content_share`.

    Returns:
        The enlarged image, clamped to [0, 1]; the same tensor if the sizes are equal.
    """
    size, small = (content.shape[2], content.shape[3]), (image.shape[2], image.shape[3])
    if size == small:
        return image
    content = content.to(image.device)
    detail = content - resized(resized(content, small), size)
    painted = (resized(image, size) + DETAIL * detail).clamp(0, 1)
    return painted + KEPT * share.to(image.device) * (content - painted)
