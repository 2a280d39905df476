"""What several verbs begin with: a network on a device, a picture it can look at."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from convscope.cli.core.shell import Shell
from convscope.errors import DataError, UsageError
from convscope.recipe import OnNetwork, Recipe

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from convscope.nets import Net
    from convscope.worlds import LabelledImages


def device(name: str) -> "torch.device":
    """The device that a name means here; `auto` is the fastest there is.

    Raises:
        MissingError: there is no such device.
    """
    from convscope.learn.setup import find_device

    return find_device(name)


def require_device(recipe: Recipe) -> None:
    """Refuse a recipe for a device that is not here, before anything else is done.

    Raises:
        MissingError: there is no such device.
    """
    if recipe.device not in ("auto", "cpu"):
        device(recipe.device)


def network(reference: str, recipe: OnNetwork, shell: Shell) -> "Net":
    """A network where it will compute. Fresh weights follow the seed, and a word says that they are fresh.

    Raises:
        DataError: some of its numbers are no numbers.
    """
    from convscope import nets

    where = device(recipe.device)
    weights = None if recipe.weights == "none" else recipe.weights
    net = nets.load(reference, weights=weights, seed=recipe.seed).to(where)
    if net.source.weights == "none":
        shell.log(f"{net.name} has fresh weights: it has learned nothing yet.")
    broken = [name for name, p in net.module.named_parameters() if not _finite(p)]
    if broken:
        raise DataError(
            f"{net.name} with weights that are numbers",
            received=f"NaN or infinity in {broken[0]}" + (f" and {len(broken) - 1} more" * (len(broken) > 1)),
            hint="Training went wrong here: train again with a lower --lr, or use an earlier state.",
        )
    return net


def _finite(values: "Tensor") -> bool:
    """Check that no value is NaN or infinite; a finite sum, one pass without copies, proves it."""
    return bool(values.detach().sum().isfinite()) or bool(values.detach().isfinite().all())


def looks_at_pictures(net: "Net") -> "Net":
    """The network itself.

    Raises:
        UsageError: it looks at something else, or at several things.
    """
    if len(net.contracts) != 1 or len(net.contract.shape) != 3:
        wanted = " and ".join("x".join(map(str, contract.shape)) for contract in net.contracts)
        raise UsageError(
            "a network that looks at one picture", received=f"{net.name}, which looks at {wanted}"
        )
    return net


def picture(net: "Net", path: str) -> "Tensor":
    """Read a picture as the network's input `[1 c h w]`, as `worlds.opening.as_input` does for every verb.

    Raises:
        UsageError: the network does not look at pictures, or at several things.
        DataError: the file is missing or is no picture.
    """
    from convscope.worlds.opening import as_input

    return as_input(Path(path), looks_at_pictures(net).contract)[None]


def samples(reference: str, net: "Net", recipe: "OnData", shell: Shell) -> "LabelledImages":
    """Data in the form that a network looks at; what is odd about its classes is said."""
    from convscope import worlds

    data = worlds.open(reference, recipe.split, root=recipe.root, contract=net.contract)
    say_notes(data, shell)
    return data


def say_notes(data: "LabelledImages", shell: Shell) -> None:
    """Say what makes the labels of data wrong or results meaningless."""
    for note in data.notes:
        shell.log(f"In {data.name}: {note}.")


class OnData(Protocol):
    """The part of a recipe that says where data lies."""

    @property
    def split(self) -> str | None:
        """Which part; the part to learn from, or all, where none is named."""

    @property
    def root(self) -> str | None:
        """The folder of a published set."""
