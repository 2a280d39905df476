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

from convscope.cli import inputs, pictures
from convscope.cli.shell import Answer, Shell
from convscope.errors import Interrupted, UsageError
from convscope.printable import printable
from convscope.see.unit_recipe import UnitPage

if TYPE_CHECKING:
    from convscope.nets import Net
    from convscope.see.portrait import Portrait
    from convscope.see.unit_index import UnitIndex
    from convscope.worlds import Samples

schema = UnitPage


def run(recipe: UnitPage, shell: Shell) -> Answer:
    """Look up or index, ascend, measure; one HTML page and one PNG. Ctrl-C keeps what there is."""
    from convscope.cli.stamp import stamp
    from convscope.show import unit_page

    net = inputs.looks_at_pictures(inputs.network(recipe.net, recipe, shell))
    data = inputs.samples(recipe.data, net, recipe, shell)
    with shell.folder(f"unit-{net.name}-{recipe.place}") as folder:
        portrait, step = _portrayed(net, data, recipe, shell)
        html = unit_page.page(
            portrait, net, data=data.name, command=recipe.command(), seed=recipe.seed,
            skipped=len(data.problems),
        )  # fmt: skip
        (folder.path / "unit.html").write_text(html, encoding="utf-8")
        pictures.save(unit_page.sheet(portrait, net), folder.path / "unit.png", stamp(recipe))
        if step is not None:
            raise Interrupted(
                f"stopped at {step}; the page with the pictures so far is in {folder.place}",
                hint="Run the same command with another --out to finish.",
            )
    found = _data(portrait)
    return Answer(
        {"net": net.name, **found, "out": str(folder.place)}, lambda: _lines(portrait, folder.place)
    )


def _portrayed(net: "Net", data: "Samples", recipe: UnitPage, shell: Shell) -> "tuple[Portrait, str | None]":
    """The portrait, and the step at which it was stopped."""
    from convscope.see.portrait import sitting

    index, last = _indexed(net, data, recipe, shell), None
    with shell.progress(f"portrait of {recipe.place}", 1.0) as progress:
        try:
            for last in sitting(
                net, recipe.place, data, index=index, best=recipe.best, steps=recipe.steps, seed=recipe.seed
            ):
                progress.update(last.done, last.note)
        except KeyboardInterrupt:
            if last is None or last.so_far is None:
                raise
            return last.so_far(), last.note
    if last is None or last.so_far is None:
        raise RuntimeError("the last step holds the portrait")
    return last.so_far(), None


def _indexed(net: "Net", data: "Samples", recipe: UnitPage, shell: Shell) -> "UnitIndex":
    """The index that is named or known; else a pass for this layer, which is kept in the user's cache."""
    from convscope.see import index_files
    from convscope.see.indexing import indexing_units
    from convscope.see.portrait import known_index, one_unit, open_index

    place = one_unit(net, recipe.place)
    if recipe.index:
        index = open_index(recipe.index, net, data)
        kept = index.facts.get("k")
        if isinstance(kept, int) and kept < recipe.best and "best" in recipe.chosen():
            raise UsageError(
                f"an index with {recipe.best} images at either end of each unit's scale",
                received=f"{kept} in {recipe.index}",
                hint=f"Ask for --best {kept}, or leave out --index.",
            )
        return index
    found = known_index(net, data, place, recipe.best)
    if found is not None:
        return found
    wanted = {"places": [str(place.whole)], "k": recipe.best, "batch": recipe.batch}
    folder, last = index_files.home(net, data) / index_files.mark(wanted), None
    with shell.progress(f"indexing {place.whole}", len(data)) as progress:
        try:
            for last in indexing_units(
                net, data, [place.whole], k=recipe.best, batch=recipe.batch, folder=folder
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


def _data(portrait: "Portrait") -> dict[str, Any]:
    entry = portrait.entry
    ends = {
        name: [
            {**asdict(e), "position": list(e.position), "class": portrait.classes[e.label]} for e in examples
        ]
        for name, examples in (("top", entry.top), ("bottom", entry.bottom))
    }  # fmt: skip
    means = zip(portrait.classes, entry.by_class.tolist(), entry.class_shares.tolist(), strict=True)
    known, measured = portrait.field, portrait.effective
    return {
        "place": portrait.place, "label": portrait.label, "images": entry.images, **ends,
        "mean": entry.mean, "std": entry.std, "silent": entry.silent, "dead": entry.dead,
        "saturated": entry.saturated,
        "histogram": {"edges": entry.edges.tolist(), "counts": entry.counts.tolist()},
        "classes": {name: {"mean": mean, "share_of_top": share} for name, mean, share in means},
        "percentile": portrait.percentile,
        "made": {"value": portrait.liked.value, "silent": portrait.liked.silent},
        "made_against": {"value": portrait.disliked.value, "silent": portrait.disliked.silent},
        "receptive_field": list(known.size) if known is not None else None,
        "effective_field": measured.size if measured is not None else None,
    }  # fmt: skip


def _lines(portrait: "Portrait", place: Any) -> str:
    entry = portrait.entry
    name = f"{portrait.place} ({portrait.label})" if portrait.label else portrait.place
    lines = [
        f"{name}: at most {entry.top[0].value:.4g}, silent for {entry.silent:.1%} of {entry.images:,} images",
        f"the picture made for it: {portrait.liked.value:.4g}, more than {portrait.percentile:.1f}% of them",
    ]
    for made, name in ((portrait.liked, "for"), (portrait.disliked, "against")):
        if made.silent:
            lines.append(f"the picture made {name} it says nothing: no gradient moved it, or none was left")
    if portrait.effective is not None and portrait.field is not None and portrait.field.axes:
        size = "×".join(map(str, portrait.field.size))
        lines.append(f"sees {size} pixels; moved by an area of {portrait.effective.size:.1f} squared")
    lines.append(f"The page: {place / 'unit.html'}  (open it in a browser)")
    return "\n".join(map(printable, lines))
