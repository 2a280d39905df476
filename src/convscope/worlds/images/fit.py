"""How large images are beside the input that they are resized to, and which part of them it shows."""

from collections.abc import Sequence
from dataclasses import dataclass

from convscope.graph.spec import TensorSpec
from convscope.worlds.images import photos
from convscope.worlds.world import Placement

NOTED = 1.5
"""How many times images must be enlarged for `InputFit` to say so."""


@dataclass(frozen=True)
class InputFit:
    """How the images of a data set become a network's input.

    Attributes:
        size: height and width of the input, in pixels.
        smallest: height and width of the smallest image whose header was read, by its shorter side.
        largest: of the largest one whose header was read.
        enlarged: how many times an image is enlarged before it is cropped, the median over those images;
            below 1 where they are reduced.
    """

    size: tuple[int, int]
    smallest: tuple[int, int]
    largest: tuple[int, int]
    enlarged: float

    @property
    def note(self) -> str:
        """A sentence where images are enlarged `NOTED` times or more; else empty."""
        if self.enlarged < NOTED:
            return ""
        small, large = (f"{width}x{height}" for height, width in (self.smallest, self.largest))
        sizes = small if small == large else f"{small} to {large}"
        height, width = self.size
        return (
            f"Pictures of {sizes} pixels are enlarged {self.enlarged:.3g} times for an input of "
            f"{width}x{height}: that adds no detail."
        )

    def to_json(self) -> dict[str, object]:
        """Return the sizes and the factor, JSON-ready."""
        return {
            "size": list(self.size),
            "pictures": [list(self.smallest), list(self.largest)],
            "enlarged": round(self.enlarged, 3),
        }


def input_fit(sizes: Sequence[tuple[int, int]], spec: TensorSpec, crop: float) -> InputFit | None:
    """Compare the sizes of images with the input that they are resized to.

    Args:
        sizes: height and width of each image.
        spec: specification of the network's input.
        crop: share of the shorter side that is kept after resizing, as `ImageTransform.crop`: files are
            resized to size / crop.

    Returns:
        The comparison; None for an input without height and width, or without images.
    """
    if len(spec.size) != 2 or not sizes:
        return None
    height, width = spec.size
    down, across = (max(side, round(side / crop)) for side in (height, width))
    ordered = sorted(sizes, key=min)
    factors = sorted(max(down / size[0], across / size[1]) for size in ordered)
    return InputFit((height, width), ordered[0], ordered[-1], factors[len(factors) // 2])


def placement(size: tuple[int, int], spec: TensorSpec) -> Placement:
    """Return where an image lies in the input that `photos.to_tensor` makes of it.

    Args:
        size: width and height of the image, in pixels.
        spec: specification of the input.

    Returns:
        The placement, y before x.

    Raises:
        UsageError: the spec is not for images.
    """
    (across, down), left, top = photos.resized_and_cropped(size, spec)
    width, height = size
    return Placement((down / height, across / width), (float(-top), float(-left)), (height, width))
