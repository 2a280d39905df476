"""Index every unit of every layer in one pass over data.

For each unit: the images at both ends of its scale and where, a histogram, mean and deviation, which classes
excite it, whether it is dead or saturated. What was stopped goes on when the same command runs again; on
several processes: torchrun --nproc-per-node 4 -m convscope units NET --data FOLDER.

    convscope units digits --data digits
    convscope units efficientnet_lite0 --data photographs
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.cli.core import inputs
from convscope.cli.core.shell import Shell, VerbResult
from convscope.errors import Interrupted
from convscope.see.units import UnitsRecipe

if TYPE_CHECKING:
    from convscope.nets import Net
    from convscope.see.units import IndexingProgress, ProcessShard, UnitIndex
    from convscope.worlds import LabelledImages

schema = UnitsRecipe


def run(recipe: UnitsRecipe, shell: Shell) -> VerbResult:
    """Index the units of all layers in one pass over data: extreme images and statistics.

    Writes the index into `--index`, or into a folder of the user's cache. An index that was stopped is
    continued when the same recipe runs again. Under `torchrun`, each process indexes its shard; the first one
    returns the result, and the others exit with code 0.

    Args:
        recipe: network, data, layers, number of images to keep per unit, batch size and index folder.
        shell: destination of results, progress and log.

    Returns:
        JSON fields `net`, `data`, `images`, `units` (their number), `layers`, `problems` (files that could
        not be read), `index` (the folder) and `seconds`; exit code 0. Each layer has `place`, `units`, `map`
        (size of the feature map), `dead` and `saturated` (indices of units), `silent` (mean share of images
        for which a unit is inactive), `loudest` (the unit with the highest peak) and `peak`.

    Raises:
        Interrupted: stopped with Ctrl-C; the index so far is kept (exit code 130).
        UsageError: the network does not take one image (exit code 2).
        DataError: the data or index cannot be read, or a weight is NaN or infinite (exit code 3).
    """
    from convscope.see.units import shard_from_env, storage

    net = inputs.looks_at_pictures(inputs.network(recipe.net, recipe, shell))
    data = inputs.samples(recipe.data, net, recipe, shell)
    folder = _folder(recipe, net, data)
    with shard_from_env() as shard:
        last = _passed(recipe, shell, (net, data), folder, shard)
        if shard.rank:
            raise SystemExit(0)  # the first process answers for all
    index = storage.read(folder)
    found = {
        "net": net.name,
        "data": data.name,
        "images": index.fingerprint["images"],
        "units": len(index),
        "layers": [_layer(index, layer.place) for layer in index.layers],
        "problems": list(index.problems),
        "index": str(folder),
        "seconds": last,
    }
    return VerbResult(found, lambda: _table(found))


def _passed(
    recipe: UnitsRecipe,
    shell: Shell,
    subject: "tuple[Net, LabelledImages]",
    folder: Path,
    shard: "ProcessShard",
) -> float:
    """Index the units with live progress, and return the seconds it took."""
    import time

    from convscope.see.units import iter_index_units

    net, data = subject
    started, last = time.monotonic(), None
    quiet = Shell(quiet=True) if shard.rank else shell
    try:
        with quiet.progress("indexing", len(data) / shard.count) as progress:
            steps = iter_index_units(
                net, data, recipe.places, k=recipe.top_k, batch=recipe.batch, folder=folder, shard=shard
            )
            for last in steps:
                speed = last.done / max(time.monotonic() - started, 1e-9)
                progress.update(last.done, f"{last.done:,} of {last.total:,} images, {speed:,.0f} a second")
    except KeyboardInterrupt:
        raise _stopped(last, folder) from None
    return round(time.monotonic() - started, 2)


def _stopped(last: "IndexingProgress | None", folder: Path) -> Interrupted:
    done = f"{last.done:,} of {last.total:,} images" if last is not None else "what was done before"
    return Interrupted(f"stopped; {done} are kept in {folder}", hint="Run the same command again to go on.")


def _folder(recipe: UnitsRecipe, net: "Net", data: "LabelledImages") -> Path:
    """Return `--index`, or a folder in the user's cache for this choice of layers, k and batch."""
    from convscope.see.units import storage

    if recipe.index is not None:
        return Path(recipe.index)
    wanted = {"places": recipe.places, "k": recipe.top_k, "batch": recipe.batch}
    return storage.cache_dir(net, data) / storage.cache_key(wanted)


def _layer(index: "UnitIndex", place: str) -> dict[str, Any]:
    rows, layer = index.rows(place), index.layer(place)
    peaks = index.accumulator.high[rows]
    silent = (index.accumulator.silent[rows] / index.accumulator.images[rows].clamp_min(1)).mean()
    return {
        "place": place,
        "units": layer.units,
        "map": list(layer.size),
        "dead": index.dead(place).nonzero().flatten().tolist(),
        "saturated": index.saturated(place).nonzero().flatten().tolist(),
        "silent": float(silent),
        "loudest": int(peaks.argmax()),
        "peak": float(peaks.max()),
    }


def _table(found: dict[str, Any]) -> Any:
    from rich.console import Group
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("layer", "units", "map", "dead", "saturated", "silent for", "loudest unit"):
        table.add_column(head, justify="left" if head == "layer" else "right")
    for layer in found["layers"]:
        table.add_row(
            layer["place"].replace("[", r"\["),
            f"{layer['units']:,}",
            "×".join(map(str, layer["map"])),
            str(len(layer["dead"]) or ""),
            str(len(layer["saturated"]) or ""),
            f"{layer['silent']:.0%}",
            f"{layer['loudest']} ({layer['peak']:.4g})",
        )
    problems = f"; {len(found['problems'])} files could not be read" if found["problems"] else ""
    words = f"{found['units']:,} units over {found['images']:,} images of {found['data']}{problems}"
    return Group(table, words, f"The index: {found['index']}")
