"""Everything about one unit, on one page.

What was made for it and against it, the real images at both ends of its scale (the part it sees, and the
image it is from), how often it speaks, to which classes, and what of its receptive field really moves it. An
index that `convscope units` made is used; without one, one pass over the data for this layer comes first, and
is kept. Ctrl-C keeps what there is.

    convscope unit digits conv2:17 --data digits
    convscope unit efficientnet_lite0 output:tench --data photographs
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from convscope.cli.core import inputs, pictures
from convscope.cli.core.shell import Shell, VerbResult
from convscope.errors import Interrupted, UsageError
from convscope.printable import printable
from convscope.see.units import UnitRecipe

if TYPE_CHECKING:
    from convscope.nets import Net
    from convscope.see.units import UnitIndex, UnitReport
    from convscope.worlds import LabelledImages

schema = UnitRecipe


def run(recipe: UnitRecipe, shell: Shell) -> VerbResult:
    """Report on one unit: statistics, extreme and synthetic images, receptive fields.

    Uses the index of `convscope units` if there is one; else indexes the unit's layer first, and keeps the
    index in the user's cache. Writes `unit.html` and `unit.png`.

    Args:
        recipe: network, unit, data, index, number of images and steps of the synthesis.
        shell: destination of results, progress and log.

    Returns:
        JSON fields `net`, `place`, `label`, `images` (how many were indexed), `top` and `bottom` (the images
        at both ends, with position and class), `mean`, `std`, `silent` (share of images for which the unit is
        inactive), `dead`, `saturated`, `histogram` (`edges`, `counts`), `classes` (by name: `mean`,
        `share_of_top`), `percentile` (per cent of images with a smaller peak than the synthetic one), `made`
        and `made_against` (the maximising and minimising image: `value`, `silent`), `receptive_field` and
        `effective_field` (in pixels, or null) and `out` (the folder); exit code 0.

    Raises:
        Interrupted: stopped with Ctrl-C; the index and the page so far are kept (exit code 130).
        UsageError: the place is not one unit, or the index has fewer images than are wanted (exit code 2).
        DataError: the data or index cannot be read, or a weight is NaN or infinite (exit code 3).
    """
    from convscope.cli.core.provenance import stamp
    from convscope.show.pages import unit

    net = inputs.looks_at_pictures(inputs.network(recipe.net, recipe, shell))
    data = inputs.samples(recipe.data, net, recipe, shell)
    with shell.folder(f"unit-{net.name}-{recipe.place}") as folder:
        portrait, step = _portrayed(net, data, recipe, shell)
        html = unit.page(
            portrait,
            net,
            data=data.name,
            command=recipe.command(),
            seed=recipe.seed,
            skipped=len(data.problems),
        )
        (folder.path / "unit.html").write_text(html, encoding="utf-8")
        pictures.save(unit.sheet(portrait, net), folder.path / "unit.png", stamp(recipe))
        if step is not None:
            raise Interrupted(
                f"stopped at {step}; the page with the pictures so far is in {folder.place}",
                hint="Run the same command with another --out to finish.",
            )
    found = _data(portrait)
    return VerbResult(
        {"net": net.name, **found, "out": str(folder.place)}, lambda: _lines(portrait, folder.place)
    )


def _portrayed(
    net: "Net", data: "LabelledImages", recipe: UnitRecipe, shell: Shell
) -> "tuple[UnitReport, str | None]":
    """Return the report, and the step at which it was stopped; None if it is complete."""
    from convscope.see.units import iter_unit_report

    index, last = _indexed(net, data, recipe, shell), None
    with shell.progress(f"portrait of {recipe.place}", 1.0) as progress:
        try:
            for last in iter_unit_report(
                net, recipe.place, data, index=index, top_k=recipe.top_k, steps=recipe.steps, seed=recipe.seed
            ):
                progress.update(last.done, last.note)
        except KeyboardInterrupt:
            if last is None or last.so_far is None:
                raise
            return last.so_far(), last.note
    if last is None or last.so_far is None:
        raise RuntimeError("the last step holds the portrait")
    return last.so_far(), None


def _indexed(net: "Net", data: "LabelledImages", recipe: UnitRecipe, shell: Shell) -> "UnitIndex":
    """Return the index that is named or cached; else index this layer into the user's cache."""
    from convscope.see.units import iter_index_units, known_index, one_unit, open_index, storage

    place = one_unit(net, recipe.place)
    if recipe.index:
        index = open_index(recipe.index, net, data)
        kept = index.fingerprint.get("k")
        if isinstance(kept, int) and kept < recipe.top_k and "top_k" in recipe.chosen():
            raise UsageError(
                f"an index with {recipe.top_k} images at either end of each unit's scale",
                received=f"{kept} in {recipe.index}",
                hint=f"Ask for --top-k {kept}, or leave out --index.",
            )
        return index
    found = known_index(net, data, place, recipe.top_k)
    if found is not None:
        return found
    wanted = {"places": [str(place.layer_only)], "k": recipe.top_k, "batch": recipe.batch}
    folder, last = storage.cache_dir(net, data) / storage.cache_key(wanted), None
    with shell.progress(f"indexing {place.layer_only}", len(data)) as progress:
        try:
            for last in iter_index_units(
                net, data, [place.layer_only], k=recipe.top_k, batch=recipe.batch, folder=folder
            ):
                progress.update(last.done, f"{last.done:,} of {last.total:,} images")
        except KeyboardInterrupt:
            done = f"{last.done:,} of {last.total:,} images" if last is not None else "what was done before"
            raise Interrupted(
                f"stopped; {done} are kept in {folder}", hint="Run the same command again to go on."
            ) from None
    if last is None:
        raise RuntimeError("the last step holds the index")
    return last.index()


def _data(portrait: "UnitReport") -> dict[str, Any]:
    entry = portrait.entry
    ends = {
        name: [
            {**asdict(e), "position": list(e.position), "class": portrait.classes[e.label]} for e in examples
        ]
        for name, examples in (("top", entry.top), ("bottom", entry.bottom))
    }
    means = zip(portrait.classes, entry.by_class.tolist(), entry.class_shares.tolist(), strict=True)
    known, measured = portrait.field, portrait.effective
    return {
        "place": portrait.place,
        "label": portrait.label,
        "images": entry.images,
        **ends,
        "mean": entry.mean,
        "std": entry.std,
        "silent": entry.inactive_fraction,
        "dead": entry.dead,
        "saturated": entry.saturated,
        "histogram": {"edges": entry.edges.tolist(), "counts": entry.counts.tolist()},
        "classes": {name: {"mean": mean, "share_of_top": share} for name, mean, share in means},
        "percentile": portrait.percentile,
        "made": {"value": portrait.maximizing.value, "silent": portrait.maximizing.silent},
        "made_against": {"value": portrait.minimizing.value, "silent": portrait.minimizing.silent},
        "receptive_field": list(known.size) if known is not None else None,
        "effective_field": measured.size if measured is not None else None,
    }


def _lines(portrait: "UnitReport", place: Any) -> str:
    entry = portrait.entry
    name = f"{portrait.place} ({portrait.label})" if portrait.label else portrait.place
    lines = [
        f"{name}: at most {entry.top[0].value:.4g}, "
        f"silent for {entry.inactive_fraction:.1%} of {entry.images:,} images",
        f"the image made for it: {portrait.maximizing.value:.4g}, "
        f"more than {portrait.percentile:.1f}% of them",
    ]
    for made, name in ((portrait.maximizing, "for"), (portrait.minimizing, "against")):
        if made.silent:
            lines.append(f"the picture made {name} it says nothing: no gradient moved it, or none was left")
    if portrait.effective is not None and portrait.field is not None and portrait.field.axes:
        size = "×".join(map(str, portrait.field.size))
        lines.append(f"sees {size} pixels; moved by an area of {portrait.effective.size:.1f} squared")
    lines.append(f"The page: {place / 'unit.html'}  (open it in a browser)")
    return "\n".join(map(printable, lines))
