"""Send a network to the Hugging Face Hub; every other verb then takes it as hf://owner/name.

Sent are model.json and model.safetensors alone: of a run neither states, metrics nor report. Absolute paths
in its recipe are shortened to their last part. It needs the package huggingface_hub, and HF_TOKEN, a token
that may write.

    convscope push runs/mine anna/small
    convscope push runs/mine anna/small@trial --private
    convscope classify photo.jpg --net hf://anna/small
"""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from convscope.errors import UsageError
from convscope.jobs.job import Steps, finished
from convscope.jobs.output.workspace import Workspace
from convscope.recipe import Recipe
from convscope.recipe.fields import HubName, NetworkName
from convscope.system.progress import Progress


class PushRecipe(Recipe):
    """Which network to send, and where."""

    verb: ClassVar[str] = "push"
    positional: ClassVar[tuple[str, ...]] = ("net", "address")

    net: NetworkName = Field(min_length=1, description="the network: a run's folder, or a name")
    address: HubName = Field(
        min_length=1,
        description="where it goes: owner/name, made where it is not there, or owner/name@branch",
    )
    private: bool = Field(
        default=False, description="a new repository is private; else as its owner's settings say"
    )


schema = PushRecipe


def run(recipe: PushRecipe, workspace: Workspace) -> Steps:
    """Send a network to the Hub.

    Writes no file of its own; `--out` saves the JSON document.

    Args:
        recipe: network and address.
        workspace: not used; all jobs have the same signature.

    Yields:
        The progress, and at the end the document: JSON fields `name` (of the network) and
        `address` (with the commit: the same files at any time).

    Raises:
        UsageError: there is no such network, it has fresh weights or code of its own, or this is no address
            (exit code 2).
        DataError: the folder holds a damaged network (exit code 3).
        MissingError: huggingface_hub is not installed, or the Hub refuses or cannot be reached (exit code 4).
    """
    from convscope import nets

    nets.HubAddress.parse(recipe.address)
    yield Progress(0.0, f"loading {recipe.net}", lambda: None)
    net, folder = nets.load(recipe.net, weights="packaged"), Path(recipe.net)
    if net.source.weights == "none" and not folder.is_dir():
        raise UsageError(
            "a network with weights",
            received=f"{net.name}, which has fresh ones: it has learned nothing yet",
            hint="Train it, and name the run's folder.",
        )
    yield Progress(0.3, f"sending {net.name} to {recipe.address}", lambda: None)
    sent = nets.push_to_hub(
        folder if folder.is_dir() else net, recipe.address, private=recipe.private or None
    )
    yield finished({"name": net.name, "address": sent})
