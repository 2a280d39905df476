"""Everything about one unit, on one page.

Images optimised to activate and to suppress it, the real images at both ends of its range (its receptive
field, and the image around it), how often it is active, for which classes, and its effective receptive
field. An index that `convscope units` made is used; without one, one pass over the data for this layer comes
first, and is kept. Ctrl-C keeps what there is.

    convscope unit digits conv2:17 --data digits
    convscope unit efficientnet_lite0 output:tench --data photographs
"""

from collections.abc import Generator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.errors import UsageError
from convscope.jobs import inputs, pictures
from convscope.jobs.job import Document, Steps, finished, result_of, save_results
from convscope.jobs.output.workspace import ResultFolder, Workspace
from convscope.see.units import UnitRecipe
from convscope.system.counting import counted
from convscope.system.progress import Progress

if TYPE_CHECKING:
    from convscope.nets import Net
    from convscope.see.units import Patch, SyntheticImage, UnitIndex, UnitReport
    from convscope.worlds import LabelledDataset

schema = UnitRecipe


def run(recipe: UnitRecipe, workspace: Workspace) -> Steps:
    """Report on one unit: statistics, extreme and synthetic images, receptive fields.

    Uses the index of `convscope units` if there is one; else indexes the unit's layer first, and keeps the
    index in the user's cache. Writes `unit.html` and `unit.png`.

    Args:
        recipe: network, unit, data, index, number of images and steps of the synthesis.
        workspace: where the result goes, and what is logged.

    Yields:
        The progress with the document so far; JSON fields `net`, `input` (see `inputs.input_fit`), `said` and
        `said_zh` (how much of cropped photographs the network sees, in English and Chinese; else empty),
        `place`, `label`, `images` (how many were indexed), `top` and `bottom` (the images at both ends, with
        position and class), `mean`, `std`, `inactive_share` (share of images for which the unit is inactive),
        `dead`, `saturated`, `histogram` (`edges`, `counts`), `classes` (by name: `mean`, `share_of_top`),
        `percentile` (per cent of images with a smaller peak than the synthetic one), `made` and
        `made_against` (the maximising and minimising image: `value`, `no_gradient`; null where there is
        none), for texts `texts` (those of the largest values) and `ngrams` (best and worst),
        `receptive_field` and `effective_field` (in pixels, or null) and `out` (the folder).

    Raises:
        Interrupted: stopped; the index and the page so far are kept (exit code 130).
        UsageError: the place is not one unit, or the index has fewer images than are wanted (exit code 2).
        DataError: the data or index cannot be read, or a weight is NaN or infinite (exit code 3).
    """
    from convscope.see.units import iter_unit_report

    net = inputs.require_single_input(inputs.network(recipe.net, recipe, workspace))
    data = inputs.samples(recipe.data, net, recipe, workspace)
    with workspace.folder(f"unit-{net.name}-{recipe.place}") as folder:
        index = yield from _indexed(net, data, recipe)
        document = yield from save_results(
            iter_unit_report(
                net, recipe.place, data, index=index, top_k=recipe.top_k, steps=recipe.steps, seed=recipe.seed
            ),
            lambda report: _save(report, net, data, recipe, folder),
            lambda _, message: f"stopped at {message}; the page with the pictures so far is in {folder.out}",
        )
    yield finished({**document, "out": str(folder.out)})


def _save(
    report: "UnitReport", net: "Net", data: "LabelledDataset", recipe: UnitRecipe, folder: ResultFolder
) -> Document:
    from convscope.recipe import stamp
    from convscope.show.pages import crop, unit

    html = unit.page(
        report,
        net,
        data=data.name,
        command=recipe.command(),
        seed=recipe.seed,
        skipped=len(data.problems),
        notes=crop.sentences_on_data(data),
    )
    folder.save_page(html, "unit.html", report.place)
    folder.save_image(unit.sheet(report, net), "unit.png", stamp(recipe), report.place)
    fit, said = inputs.input_fit(data, net), pictures.said_of_data(data)
    return {"net": net.name, "input": fit, **said, **_data(report)}


def _indexed(
    net: "Net", data: "LabelledDataset", recipe: UnitRecipe
) -> "Generator[Progress[Document | None], None, UnitIndex]":
    """Return the index that is named or cached; else index this layer into the user's cache."""
    from convscope.see.units import (
        INDEXED_FRACTION,
        find_cached_index,
        iter_index_units,
        open_index,
        resolve_unit,
        storage,
    )

    place = resolve_unit(net, recipe.place)
    if recipe.index:
        index = open_index(recipe.index, net, data)
        kept = index.fingerprint.get("k")
        if isinstance(kept, int) and kept < recipe.top_k and "top_k" in recipe.chosen():
            raise UsageError(
                f"an index with {counted(recipe.top_k, 'image')} at either end of each unit's scale",
                received=f"{kept} in {recipe.index}",
                hint=f"Ask for --top-k {kept}, or leave out --index.",
            )
        return index
    found = find_cached_index(net, data, place, recipe.top_k)
    if found is not None:
        return found
    wanted = {"places": [str(place.layer_only)], "k": recipe.top_k, "batch": recipe.batch}
    folder = storage.cache_dir(net, data) / storage.cache_key(wanted)
    steps = iter_index_units(net, data, [place.layer_only], k=recipe.top_k, batch=recipe.batch, folder=folder)
    stopped = partial(_stopped, folder)
    return (yield from result_of(steps, stopped, share=INDEXED_FRACTION))


def _stopped(folder: Path, done: str) -> str:
    return f"stopped; {done or 'what was done before'} are kept in {folder}"


def _made(image: "SyntheticImage | None") -> Document | None:
    """Return what is known of a synthetic image; None where there is none."""
    return None if image is None else {"value": image.value, "no_gradient": image.no_gradient}


def _examples(report: "UnitReport") -> Document:
    """Return the texts at both ends and the n-grams that the unit sees in them; nothing for other inputs."""
    from convscope.show import tinted

    spec = report.net.input_spec
    if not tinted.pieces_of([report.top[0].picture] if report.top else [], [spec] if report.top else []):
        return {}
    found: Document = {"texts": [_text(patch, report) for patch in report.top]}
    if report.ngrams is not None:
        found["ngrams"] = [
            {"text": ngrams.texts[0], "words": list(ngrams.ngrams[0]), "value": ngrams.values[0]}
            for ngrams in report.ngrams
        ]
    return found


def _text(patch: "Patch", report: "UnitReport") -> Document:
    """Return a text, what the unit sees of it, its class and the value."""
    from convscope.show import tinted

    pieces = tinted.pieces_of([patch.picture], [report.net.input_spec])
    ((low, high),) = patch.box
    inside = [piece for piece in pieces if piece.first < high and piece.last > low]
    return {
        "text": "".join(piece.text + piece.gap for piece in pieces).strip(),
        "ngram": "".join(piece.text + piece.gap for piece in inside).strip(),
        "class": report.classes[patch.example.label],
        "value": patch.example.value,
    }


def _data(report: "UnitReport") -> dict[str, Any]:
    entry = report.entry
    ends = {
        name: [
            {**asdict(e), "position": list(e.position), "class": report.classes[e.label]} for e in examples
        ]
        for name, examples in (("top", entry.top), ("bottom", entry.bottom))
    }
    means = zip(report.classes, entry.by_class.tolist(), entry.class_shares.tolist(), strict=True)
    known, measured = report.field, report.effective
    return {
        "place": report.place,
        "label": report.label,
        "images": entry.images,
        **ends,
        "mean": entry.mean,
        "std": entry.std,
        "inactive_share": entry.inactive_share,
        "dead": entry.dead,
        "saturated": entry.saturated,
        "histogram": {"edges": entry.edges.tolist(), "counts": entry.counts.tolist()},
        "classes": {name: {"mean": mean, "share_of_top": share} for name, mean, share in means},
        "percentile": report.percentile,
        "made": _made(report.maximizing),
        "made_against": _made(report.minimizing),
        **_examples(report),
        "receptive_field": list(known.size) if known is not None else None,
        "effective_field": measured.size if measured is not None else None,
    }
