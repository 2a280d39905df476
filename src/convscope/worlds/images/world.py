"""The world of images: photographs and other pictures of any number of channels."""

from pathlib import Path
from types import MappingProxyType
from typing import Any

from jaxtyping import Float
from PIL import Image
from torch import Tensor
from typing_extensions import override

from convscope.errors import DataError
from convscope.graph.spec import IMAGE, TensorSpec
from convscope.worlds.arrays import SUFFIX, open_array
from convscope.worlds.dataset import Dataset
from convscope.worlds.images import photos
from convscope.worlds.images.augment import AUGMENTATIONS
from convscope.worlds.images.folder import ImageFolder
from convscope.worlds.images.render import grayscale, in_unit_range, rgb
from convscope.worlds.world import Placement, Sample, World


class ImageWorld(World):
    """Read photographs and other image files; arrays `.npy` where there are neither 1 nor 3 channels."""

    kind = IMAGE
    thing = "an image"
    suffixes = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", SUFFIX)
    augmentations = MappingProxyType(AUGMENTATIONS)
    symmetries = MappingProxyType({"flip": lambda images: images.flip(-1)})

    @override
    def open(self, source: Any, spec: TensorSpec) -> Sample:
        if isinstance(source, str | Path) and Path(source).suffix.lower() == SUFFIX:
            return open_array(source, spec)
        image = open_image(source)
        return Sample(photos.to_tensor(image, spec), image, placement(image.size, spec))

    @override
    def render(self, tensor: Float[Tensor, "*shape"], spec: TensorSpec) -> Image.Image:
        """Draw an image: in colours if it is RGB, else the mean of its channels in grey, 1 as white."""
        unit = in_unit_range(tensor, spec)
        return rgb(unit) if spec.is_rgb else grayscale(unit)

    @override
    def open_folder(self, root: str | Path, split: str | None, spec: TensorSpec) -> Dataset:
        return ImageFolder(root, split, spec)


def open_image(source: Any) -> Image.Image:
    """Return an image that is open already, or open its file.

    Args:
        source: a path, the bytes of a file, or an opened image.

    Returns:
        The image; upright RGB if it was a file.

    Raises:
        DataError: it is neither, or the file is missing or not an image.
    """
    if isinstance(source, Image.Image):
        return source
    if not isinstance(source, str | Path | bytes):
        raise DataError("an image, or the path of one", received=type(source).__name__)
    return photos.open_photo(source)


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
