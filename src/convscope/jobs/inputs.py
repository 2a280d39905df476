"""Load what several verbs begin with: a device, a network on it, an image in its input format, data."""

import re
from itertools import chain
from pathlib import PurePath
from typing import TYPE_CHECKING, Protocol

from convscope.errors import DataError, UsageError
from convscope.jobs.output.workspace import Workspace
from convscope.recipe import OnDevice, OnNetwork, Recipe

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from convscope.nets import Net
    from convscope.worlds import InputFit, LabelledDataset, Sample


def device(name: str) -> "torch.device":
    """Return the torch device of a name.

    Args:
        name: `cpu`, `cuda`, `mps`, or `auto` for the first available of `cuda`, `mps`, `cpu`.

    Returns:
        The device.

    Raises:
        MissingError: there is no such device.
    """
    from convscope.learn import find_device

    return find_device(name)


def require_device(recipe: Recipe) -> None:
    """Refuse a recipe whose device is not available, before anything else is done.

    Args:
        recipe: any recipe; only its `device` is read, where it has one.

    Raises:
        MissingError: there is no such device.
    """
    if isinstance(recipe, OnDevice) and recipe.device not in ("auto", "cpu"):
        device(recipe.device)


def network(reference: str, recipe: OnNetwork, workspace: Workspace) -> "Net":
    """Load a network onto its device, and check that its parameters and buffers are finite.

    Random initial weights follow the recipe's seed; a line in the log reports them.

    Args:
        reference: name of a network, or folder of a run, as `nets.load` takes it.
        recipe: the recipe with device, weights and seed.
        workspace: logs the line.

    Returns:
        The network, in evaluation mode.

    Raises:
        UsageError: there is no such network, or no such weights.
        MissingError: the device, a package or the download is missing.
        DataError: files are damaged, or a parameter holds NaN or infinity.
    """
    from convscope import nets
    from convscope.worlds import world_of

    where = device(recipe.device)
    weights = None if recipe.weights == "none" else recipe.weights
    net = nets.load(reference, weights=weights, seed=recipe.seed).to(where)
    if net.source.weights == "none":
        workspace.log(f"{net.name} has fresh weights: it has learned nothing yet.")
    for work in {world_of(spec).first_use() for spec in net.input_specs} - {""}:
        workspace.log(f"{work}.")
    return require_finite(net)


def require_finite(net: "Net") -> "Net":
    """Check that the parameters and buffers of a network hold neither NaN nor infinity.

    Args:
        net: any network.

    Returns:
        The same network.

    Raises:
        DataError: a value is NaN or infinite; the first tensor is named.
    """
    values = chain(net.module.named_parameters(), net.module.named_buffers())
    broken = [name for name, tensor in values if tensor.is_floating_point() and not _finite(tensor)]
    if broken:
        raise DataError(
            f"{net.name} with weights that are numbers",
            received=f"NaN or infinity in {broken[0]}" + (f" and {len(broken) - 1} more" * (len(broken) > 1)),
            hint="Training went wrong here: train again with a lower --lr, or use an earlier state.",
        )
    return net


def _finite(values: "Tensor") -> bool:
    """Return whether no value is NaN or infinite; a finite sum, one pass without copies, proves it."""
    return bool(values.detach().sum().isfinite()) or bool(values.detach().isfinite().all())


def require_single_input(net: "Net") -> "Net":
    """Check that a network has one input.

    Args:
        net: the network.

    Returns:
        The same network.

    Raises:
        UsageError: it has several inputs.
    """
    if len(net.input_specs) != 1:
        wanted = " and ".join("x".join(map(str, spec.shape)) for spec in net.input_specs)
        raise UsageError(
            "a network of one input",
            received=f"{net.name}, which takes {wanted}",
            hint="Use another network; convscope nets lists those that there are.",
        )
    return net


def require_image_input(net: "Net") -> "Net":
    """Check that a network has one input and that it has height and width.

    Args:
        net: the network.

    Returns:
        The same network.

    Raises:
        UsageError: its input is not of the form `[c h w]`, or it has several inputs.
    """
    spec = require_single_input(net).input_spec
    if len(spec.size) != 2:
        shape = "x".join(map(str, spec.shape))
        raise UsageError(
            "a network that looks at one picture",
            received=f"{net.name}, which looks at {shape}",
            hint="Use another network; convscope nets lists those that there are.",
        )
    return net


def require_drawn_input(net: "Net") -> "Net":
    """Check that a network has one input whose world draws it as a picture: images, boards, and sounds.

    Args:
        net: the network.

    Returns:
        The same network.

    Raises:
        UsageError: its input is of another kind, or it has several inputs.
    """
    from convscope.worlds import world_of

    if world_of(require_single_input(net).input_spec).has_timeline:
        return net
    return require_image_input(net)


def sample(net: "Net", given: str, workspace: Workspace | None = None) -> "Sample":
    """Read what is given as the network's input, as `worlds.open_sample` does for every verb.

    Args:
        net: the network; the kind of its input decides how it is read.
        given: a file, or for a network of texts a sentence.
        workspace: logs what of it the input does not show.

    Returns:
        The sample, whose `input` is `[*shape]`, on the CPU, in the input's value range.

    Raises:
        UsageError: the network has several inputs, or its input is of a kind that no world has.
        DataError: the file is missing, or is not of the input's kind.
    """
    from convscope.worlds import open_sample, world_of

    spec = require_single_input(net).input_spec
    found = open_sample(given, spec)
    if workspace is not None:
        for note in world_of(spec).notes(found):
            workspace.log(f"{note}.")
    return found


def short_name(given: str, most: int = 30) -> str:
    """Return a part of a folder's name for what is given: a file's name without its ending, or first words.

    Args:
        given: a file or a sentence.
        most: its characters at most.

    Returns:
        The name; path separators are left out.
    """
    name = PurePath(given).stem if not any(character.isspace() for character in given) else given
    plain = "-".join(re.findall(r"\w+", name)) if name == given and " " in given else name
    return plain[:most].strip("-.") or "text"


def samples(
    reference: str, net: "Net", recipe: "OnData", workspace: Workspace, *, all_parts: bool = False
) -> "LabelledDataset":
    """Open labelled data in the network's input format, and log its notes about odd classes and small images.

    Args:
        reference: name of a data set, or a folder of images, as `worlds.open` takes it.
        net: the network; its spec gives shape and value range.
        recipe: the recipe with `split` and `root`.
        workspace: logs the notes.
        all_parts: whether to open all parts as one, where the recipe names no `split`.

    Returns:
        The data set.

    Raises:
        UsageError: there is no such data set, folder or split.
        MissingError: the published data set is not there.
        DataError: the folder holds no images, or files are damaged.
    """
    from convscope import worlds

    opened = worlds.open_all if all_parts else worlds.open
    data = worlds.require_labelled(opened(reference, recipe.split, root=recipe.root, spec=net.input_spec))
    say_notes(data, workspace)
    fit = _fit(data, net)
    if fit is not None and fit.note:
        workspace.log(fit.note)
    return data


def input_fit(data: "LabelledDataset", net: "Net") -> dict[str, object] | None:
    """Return how the images of a data set became the network's input, JSON-ready.

    Args:
        data: the data set.
        net: the network.

    Returns:
        `size` (height and width of the input), `pictures` (those of the smallest and the largest image whose
        header was read) and `enlarged` (how many times before cropping, the median); None for an input
        without height and width.
    """
    found = _fit(data, net)
    return None if found is None else found.to_json()


def _fit(data: "LabelledDataset", net: "Net") -> "InputFit | None":
    """Compare the sizes of images, of the first part where there are several, with a network's input."""
    from convscope.worlds import JoinedSamples, LabelledImages

    first = next(iter(data.parts.values())) if isinstance(data, JoinedSamples) else data
    return first.fit_to(net.input_spec) if isinstance(first, LabelledImages) else None


def say_notes(data: "LabelledDataset", workspace: Workspace) -> None:
    """Log the notes of a data set: what makes its labels wrong or results meaningless.

    Args:
        data: the data set.
        workspace: logs one line for each note.
    """
    for note in data.notes:
        workspace.log(f"In {data.name}: {note}.")


class OnData(Protocol):
    """The fields of a recipe that locate its data."""

    @property
    def split(self) -> str | None:
        """Return the part of the data; the training part, or all, if None."""

    @property
    def root(self) -> str | None:
        """Return the folder of a published data set; None for other data."""
