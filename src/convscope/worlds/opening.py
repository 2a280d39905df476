"""How a file is read for a network: the one function that decides it, for every verb.

What an input holds is written in its contract. Inputs called `digit` hold one handwritten digit, so that
paper and ink are told apart, and the digit is centred as in MNIST; all other inputs hold the picture itself.
"""

from pathlib import Path

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from convscope.graph.contract import InputContract
from convscope.worlds.datasets import digits
from convscope.worlds.images import photos
from convscope.worlds.images.adapt import fitted


def as_input(source: str | Path | Image.Image, contract: InputContract) -> Float[Tensor, "c h w"]:
    """Read a picture as one input of a network, in the range and at the size of its contract.

    Args:
        source: a file, or an opened image.
        contract: of the network's input; `InputContract.is_digit` decides how the picture is read.

    Returns:
        `[c h w]` in the contract's value range.

    Raises:
        DataError: the file is missing or no picture; for a digit, nothing is drawn.
        UsageError: the contract is not for pictures.
    """
    photo = source if isinstance(source, Image.Image) else photos.open_photo(source)
    if not contract.is_digit:
        return photos.to_tensor(photo, contract)
    low, high = contract.value_range
    return fitted((low + (high - low) * digits.to_tensor(photo))[None], contract)[0]
