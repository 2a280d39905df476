"""Write a network for other programs: as ONNX, or with torch.export.

What is written takes inputs in the range that its metadata states, any number of samples at once, and
normalises them itself. It is executed on random inputs and compared with the network before the file is
written: where they differ, there is no file, and the exit code is 1. ONNX needs more packages: pip install
onnx onnxscript onnxruntime.

    convscope export digits --out digits.onnx
    convscope export runs/mine --out mine.pt2
    convscope export torchvision/resnet50 --weights default --format onnx
"""

import os
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from convscope.errors import ConvscopeError, UsageError
from convscope.jobs import inputs
from convscope.jobs.job import Steps, finished
from convscope.jobs.output import provenance, results
from convscope.jobs.output.workspace import Workspace
from convscope.recipe import OnNetwork
from convscope.recipe.fields import NetworkName
from convscope.system.progress import Progress


class ExportRecipe(OnNetwork):
    """Which network to export, and how."""

    verb: ClassVar[str] = "export"
    positional: ClassVar[tuple[str, ...]] = ("net",)

    net: NetworkName = Field(min_length=1, description="the network: a name, or a run's folder")
    format: Literal["onnx", "torch-export"] | None = Field(
        default=None, description="by default what --out ends in (.onnx, .pt2); without --out onnx"
    )
    tolerance: float = Field(
        default=1e-4, gt=0, le=1, description="largest difference, as a share of the largest output"
    )


schema = ExportRecipe


def run(recipe: ExportRecipe, workspace: Workspace) -> Steps:
    """Write a network as ONNX or as a program of torch.export, after comparing it with the network.

    The file is `--out`, or `model.onnx` or `model.pt2` in a new folder under `runs/`.

    Args:
        recipe: network, weights, format and tolerance.
        workspace: its `out` is the file.

    Yields:
        The progress, and at the end the document: JSON fields `format`, `size` (bytes), `difference`,
        `tolerance`, `metadata` (what the file states) and `out`.

    Raises:
        UsageError: the file exists, its ending is of another format, or the network cannot be traced (exit
            code 2).
        MissingError: packages for ONNX are not installed (exit code 4).
        ConvscopeError: what was exported computes something else (exit code 1).
    """
    from convscope import nets

    out = _free_path(recipe, workspace.out, nets.EXPORT_SUFFIXES)
    yield Progress(0.0, f"loading {recipe.net}", lambda: None)
    net = inputs.network(recipe.net, recipe, workspace).to("cpu")  # where it is traced and compared
    yield Progress(0.1, f"exporting {net.name}", lambda: None)
    made = nets.export(
        net,
        out,
        format=recipe.format,
        tolerance=recipe.tolerance,
        recipe=_training(Path(recipe.net), workspace),
        seed=recipe.seed,
    )
    document = made.to_json()
    document["out"] = document.pop("path")
    yield finished(document)


def _free_path(recipe: ExportRecipe, out: Path | None, endings: dict[str, str]) -> Path:
    """Return the file to write, whose ending fits the format."""
    if out is None:
        return results.named(f"export-{recipe.net}") / f"model{endings[recipe.format or 'onnx']}"
    wanted = [endings[recipe.format]] if recipe.format else list(endings.values())
    if out.suffix.lower() not in wanted:
        raise UsageError(
            f"--out with a file that ends in {' or '.join(wanted)}",
            received=str(out),
            hint=f"Name it, for example: --out {out.stem.strip('.') or 'model'}{wanted[0]}",
        )
    return results.free(out)


def _training(folder: Path, workspace: Workspace) -> dict[str, Any] | None:
    """Return the recipe of a run's folder; None for others, and, with a note, where it cannot be read."""
    try:
        return provenance.read(folder) if folder.is_dir() else None
    except (ConvscopeError, OSError, ValueError) as error:
        if any(os.path.lexists(folder / name) for name in ("recipe.toml", "recipe.json")):
            said = error.brief if isinstance(error, ConvscopeError) else str(error)
            workspace.log(f"The export does not tell how {folder} was trained: {said}")
        return None
