"""Index every unit of every layer in one pass over data.

For each unit: the images at both ends of its scale and where, a histogram, mean and deviation, which classes
excite it, whether it is dead, saturated or like another. A page lists all of them. What was stopped goes on
when the same command runs again; on several processes: torchrun --nproc-per-node 4 -m convscope units NET
--data FOLDER.

    convscope units digits --data digits
    convscope units efficientnet_lite0 --data photographs
"""

import contextlib
import time
from collections.abc import Generator, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from convscope.errors import ConvscopeError, Interrupted
from convscope.jobs import inputs, pictures
from convscope.jobs.job import GO_ON, Document, Steps, finished, mapped, result_of
from convscope.jobs.output.workspace import Workspace
from convscope.see.units import UnitsRecipe
from convscope.system import signals
from convscope.system.progress import Progress

if TYPE_CHECKING:
    from convscope.nets import Net
    from convscope.see.units import Redundancy, UnitIndex
    from convscope.worlds import LabelledDataset

schema = UnitsRecipe
PAGE = "units.html"
"""Name of the page of all units."""
ANY = "0unit0of0any0layer0"
"""Stands for a unit's address in the command that makes its page."""
BESIDE = 2000
"""Most entries beside a result in which pages of single units are looked for."""


def run(recipe: UnitsRecipe, workspace: Workspace) -> Steps:
    """Index the units of all layers in one pass over data: extreme images and statistics.

    Writes the index into `--index`, or into a folder of the user's cache, and `units.html`. An index that was
    stopped is continued when the same recipe runs again. Under `torchrun`, each process indexes its shard;
    the first one returns the result, and the others have none.

    Args:
        recipe: network, data, layers, number of images to keep per unit, batch size and index folder.
        workspace: where the result goes, and what is logged.

    Yields:
        The progress with the document so far; JSON fields `net`, `data`, `input` (see `inputs.input_fit`),
        `said` and `said_zh` (how much of cropped photographs the network sees, in English and Chinese; else
        empty), `images`, `units` (their number), `layers`, `problems` (files that could not be read), `index`
        (the folder), `seconds`, `page` (file name) and `out` (its folder). Each layer has `place`, `units`,
        `map` (size of the feature map), `dead`, `saturated` and `redundant` (indices of units),
        `inactive_share` (mean share of images for which a unit is inactive), `highest_peak_unit` (the unit
        with the highest peak) and `peak`.

    Raises:
        Interrupted: stopped; the index so far is kept (exit code 130).
        UsageError: the network does not take one image (exit code 2).
        DataError: the data or index cannot be read, or a weight is NaN or infinite (exit code 3).
    """
    from convscope.see.units import iter_index_units, shard_from_env
    from convscope.see.units.index import storage

    net = inputs.require_single_input(inputs.network(recipe.net, recipe, workspace))
    data = inputs.samples(recipe.data, net, recipe, workspace)
    folder = _folder(recipe, net, data)
    signals.working()
    started = time.monotonic()
    with shard_from_env() as shard:
        steps = iter_index_units(
            net, data, recipe.places, k=recipe.top_k, batch=recipe.batch, folder=folder, shard=shard
        )
        yield from _passed(steps, len(data) / shard.count, folder, shown=shard.rank == 0)
        if shard.rank:
            return
    seconds = round(time.monotonic() - started, 2)
    index = storage.read(folder)
    redundancy = yield from _compared(net, data, recipe, folder)
    document = {
        "net": net.name,
        "data": data.name,
        "input": inputs.input_fit(data, net),
        **pictures.said_of_data(data),
        "images": index.fingerprint["images"],
        "units": len(index),
        "layers": [_layer(index, redundancy, layer.place) for layer in index.layers],
        "problems": list(index.problems),
        "index": str(folder),
        "seconds": seconds,
    }
    with workspace.folder(f"units-{net.name}") as made:
        made.save_page(_page(index, redundancy, net, data, recipe, made.out), PAGE, "all units")
    yield finished({**document, "page": PAGE, "out": str(made.out)})


def _compared(
    net: "Net", data: "LabelledDataset", recipe: UnitsRecipe, folder: Path
) -> "Generator[Progress[Document | None], None, Redundancy]":
    """Find units that are like an earlier one of their layer."""
    from convscope.see.units import iter_redundancy

    steps = iter_redundancy(net, data, recipe.places, batch=recipe.batch)
    return (yield from result_of(steps, lambda _: f"stopped; the index is whole, in {folder}"))


def _page(
    index: "UnitIndex",
    redundancy: "Redundancy",
    net: "Net",
    data: "LabelledDataset",
    recipe: UnitsRecipe,
    folder: Path,
) -> str:
    """Render the page of all units, with links to those of single units that lie beside it."""
    from convscope.recipe import stamp
    from convscope.see.units import UnitRecipe
    from convscope.show.pages import units

    shared = {name: getattr(recipe, name) for name in ("net", "data", "split", "root", "index", "weights")}
    values = {name: value for name, value in shared.items() if value is not None}
    before, after = UnitRecipe.parse({**values, "place": ANY}).command().split(ANY, 1)
    return units.page(
        index,
        redundancy,
        net,
        data,
        command=recipe.command(),
        unit_command=(before, after),
        pages=_unit_pages(net, recipe, folder),
        recipe=stamp(recipe),
    )


def _unit_pages(net: "Net", recipe: UnitsRecipe, folder: Path) -> dict[str, str]:
    """Find the pages that `convscope unit` has made of this network and data beside a folder.

    Args:
        net: the network, for the addresses of units.
        recipe: names network and data.
        folder: the folder of the page; those beside it are looked into, at most `BESIDE`.

    Returns:
        Address of a unit -> path of its page, relative to the folder.
    """
    from convscope.see.units import resolve_unit
    from convscope.show.images import png

    found: dict[str, str] = {}
    beside = folder.absolute().parent
    others = sorted(islice(beside.iterdir(), BESIDE)) if beside.is_dir() else []
    for other in others:
        if not (other / "unit.html").is_file() or not (other / "unit.png").is_file():
            continue
        with contextlib.suppress(ConvscopeError):  # a picture without a recipe, or of another network's unit
            made = png.recipe_in(other / "unit.png")
            if (made.get("verb"), made.get("net"), made.get("data")) == ("unit", recipe.net, recipe.data):
                address = str(resolve_unit(net, str(made.get("place"))))
                found[address] = f"../{quote(other.name)}/unit.html"
    return found


def _passed(steps: "Iterator[Progress[UnitIndex]]", images: float, folder: Path, *, shown: bool) -> Steps:
    """Yield the progress of a pass over a number of images; without words where another process has them."""
    started, last = time.monotonic(), "what was done before"

    def convert(step: "Progress[UnitIndex]") -> Progress[Document | None]:
        nonlocal last
        last = step.message
        speed = step.fraction * images / max(time.monotonic() - started, 1e-9)
        words = f"{step.message}, {speed:,.0f} a second" if shown else ""
        return Progress(step.fraction, words, lambda: None)

    try:
        yield from mapped(steps, convert)
    except KeyboardInterrupt:
        raise Interrupted(f"stopped; {last} are kept in {folder}", hint=GO_ON) from None


def _folder(recipe: UnitsRecipe, net: "Net", data: "LabelledDataset") -> Path:
    """Return `--index`, or a folder in the user's cache for this choice of layers, k and batch."""
    from convscope.see.units.index import storage

    if recipe.index is not None:
        return Path(recipe.index)
    wanted = {"places": recipe.places, "k": recipe.top_k, "batch": recipe.batch}
    return storage.cache_dir(net, data) / storage.cache_key(wanted)


def _layer(index: "UnitIndex", redundancy: "Redundancy", place: str) -> dict[str, Any]:
    rows, layer = index.rows(place), index.layer(place)
    peaks = index.accumulator.high[rows]
    inactive = (index.accumulator.inactive[rows] / index.accumulator.images[rows].clamp_min(1)).mean()
    return {
        "place": place,
        "units": layer.units,
        "map": list(layer.size),
        "dead": index.dead(place).nonzero().flatten().tolist(),
        "saturated": index.saturated(place).nonzero().flatten().tolist(),
        "redundant": [unit.unit for unit in redundancy.layers.get(place, ())],
        "inactive_share": float(inactive),
        "highest_peak_unit": int(peaks.argmax()),
        "peak": float(peaks.max()),
    }
