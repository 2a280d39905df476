"""Read an image file as input of a network: the one function that decides how, for every verb.

The input spec decides. For inputs called `digit`, ink and paper are separated and the digit is centred as
in MNIST; for all others the image itself is resized and cropped.
"""

from pathlib import Path

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from convscope.graph.spec import DIGIT, TensorSpec
from convscope.worlds.datasets import digits
from convscope.worlds.images import photos
from convscope.worlds.images.adapt import fitted


def as_input(source: str | Path | Image.Image, spec: TensorSpec) -> Float[Tensor, "c h w"]:
    """Read an image as one input of a network, in the range and at the size of its spec.

    Args:
        source: an image file, or an opened image.
        spec: spec of the network's input; its kind decides how the image is read.

    Returns:
        `[c h w]` in the spec's value range.

    Raises:
        DataError: the file is missing or not an image; for a digit, nothing is drawn.
        UsageError: the spec is not for images.
    """
    photo = source if isinstance(source, Image.Image) else photos.open_photo(source)
    if spec.kind != DIGIT:
        return photos.to_tensor(photo, spec)
    low, high = spec.value_range
    return fitted((low + (high - low) * digits.to_tensor(photo))[None], spec)[0]
