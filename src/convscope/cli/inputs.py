"""What several verbs begin with: a network on a device, a picture it can look at."""

from pathlib import Path
from typing import TYPE_CHECKING

from convscope.errors import MissingError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from convscope.nets import Net


def device(name: str) -> str:
    """The device that a name means here; `auto` is the fastest there is.

    Raises:
        MissingError: there is no such device.
    """
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return next(kind for kind, here in there.items() if here)
    if not there[name]:
        hint = "Use --device auto, or see: convscope doctor"
        raise MissingError("a device of this machine", received=name, hint=hint)
    return name


def network(reference: str, where: str = "cpu") -> "Net":
    """A network, where it will compute; nothing is downloaded."""
    from convscope import nets

    return nets.load(reference).to(device(where))


def picture(net: "Net", path: str) -> "Tensor":
    """A photograph as the network's input `[1 c h w]`.

    Raises:
        UsageError: the network does not look at pictures, or at several things.
        DataError: the file is missing or is no picture.
    """
    from convscope.worlds import photos

    if len(net.contracts) != 1 or len(net.contract.shape) != 3:
        wanted = " and ".join("x".join(map(str, contract.shape)) for contract in net.contracts)
        raise UsageError(
            "a network that looks at one picture", received=f"{net.name}, which looks at {wanted}"
        )
    return photos.to_tensor(photos.open_photo(Path(path)), net.contract)[None]
