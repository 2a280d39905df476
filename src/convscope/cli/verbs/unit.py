"""Everything about one unit, on one page.

What was made for it and against it, the real images at both ends of its scale (the part it sees, and the
image it is from), how often it speaks, to which classes, and what of its receptive field really moves it. An
index that `convscope units` made is used; without one, one pass over the data for this layer comes first.

    convscope unit digits conv2:17 --data digits
    convscope unit efficientnet_lite0 output:tench --data photographs
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from convscope.cli import inputs, pictures
from convscope.cli.shell import Answer, Shell
from convscope.see.unit_recipe import UnitPage

if TYPE_CHECKING:
    from convscope.see.portrait import Portrait

schema = UnitPage


def run(recipe: UnitPage, shell: Shell) -> Answer:
    """Look up or index, ascend, measure; one HTML page and one PNG."""
    from convscope.cli.stamp import stamp
    from convscope.see.portrait import open_index, sitting
    from convscope.show import unit_page

    net = inputs.looks_at_pictures(inputs.network(recipe.net, recipe, shell))
    data = inputs.samples(recipe.data, net, recipe.split, recipe.root)
    index = open_index(recipe.index, net, data) if recipe.index else None
    portrait = None
    with shell.progress(f"portrait of {recipe.place}", 1.0) as progress:
        for step in sitting(
            net, recipe.place, data, index=index, best=recipe.best, batch=recipe.batch, steps=recipe.steps,
            seed=recipe.seed,
        ):  # fmt: skip
            progress.update(step.done, step.note)
            portrait = step.portrait
    if portrait is None:
        raise RuntimeError("the last step holds the portrait")
    with shell.folder(f"unit-{net.name}-{portrait.place}") as folder:
        html = unit_page.page(
            portrait, net, data=data.name, command=recipe.command(), seed=recipe.seed,
            skipped=len(data.problems),
        )  # fmt: skip
        (folder.path / "unit.html").write_text(html, encoding="utf-8")
        pictures.save(unit_page.sheet(portrait, net), folder.path / "unit.png", stamp(recipe))
    found = _data(portrait)
    return Answer(
        {"net": net.name, **found, "out": str(folder.place)}, lambda: _lines(portrait, folder.place)
    )


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
    from rich.markup import escape

    entry = portrait.entry
    name = f"{portrait.place} ({portrait.label})" if portrait.label else portrait.place
    lines = [
        f"{name}: at most {entry.top[0].value:.4g}, silent for {entry.silent:.1%} of {entry.images:,} images",
        f"the picture made for it: {portrait.liked.value:.4g}, more than {portrait.percentile:.1f}% of them",
    ]
    if portrait.effective is not None and portrait.field is not None and portrait.field.axes:
        size = "×".join(map(str, portrait.field.size))
        lines.append(f"sees {size} pixels; moved by an area of {portrait.effective.size:.1f} squared")
    return escape("\n".join([*lines, f"The page: {place / 'unit.html'}  (open it in a browser)"]))
