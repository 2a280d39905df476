"""Attribute a prediction to the pixels of a picture, and measure how faithful the attribution is.

A heatmap for each method and target, with metrics: deletion and insertion, the drop when only what is hot is
seen, completeness, and the correlation with the heatmap of random weights.

    convscope explain photo.jpg
    convscope explain photo.jpg --target tench --method gradcam --method lrp
    convscope explain photo.jpg --compare --set rise.samples=2000
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from convscope.errors import UsageError
from convscope.jobs import inputs, pictures
from convscope.jobs.job import Document, Steps, finished, save_results
from convscope.jobs.output.workspace import ResultFolder, Workspace
from convscope.recipe import real_number, shortened
from convscope.see.attribution import ExplainRecipe
from convscope.system.counting import counted
from convscope.system.progress import Progress

if TYPE_CHECKING:
    from convscope.see import Explanation
    from convscope.see.attribution import AttributionTask, MethodComparison
    from convscope.worlds import Sample

schema = ExplainRecipe
PAGE = "index.html"
"""File name of the page that `--compare` writes."""
MAPS = "maps/"
"""Folder of the single heatmaps beside that page, which has all of them inside."""


def run(recipe: ExplainRecipe, workspace: Workspace) -> Steps:
    """Compute attributions of an image by each method, check their faithfulness, and save heatmaps.

    Writes a heatmap `TARGET-METHOD.png` for each target and method, and `TARGET-sheet.png` for each target.
    With `--compare` the page `index.html` and the sheets are what is written, and the single heatmaps lie in
    the folder `maps`. A method that does not suit the network is skipped with a log line, unless it is the
    only one.

    Args:
        recipe: image, network, targets, methods, boxes (`left,top,right,bottom` in pixels of the image) and
            settings.
        workspace: where the result goes, and what is logged.

    Yields:
        The progress with the document so far; JSON fields `net`, `image`, `said` (sentences that summarise
        the result), `said_zh` (the same in Chinese), `verdicts` (with `--compare` one for each target:
        `target`, `best`, `passing`, `scores`, `chance`, `margin`; see `MethodComparison`), `explanations` and
        `out` (the folder). Each explanation has `target`, `method`, `settings`, `value` (the target's value),
        `probability` (the target's; null where not all targets are classes), `seconds`, `done` (finished
        share of the method, 0 to 1), `picture` (its file), `checks` (`Faithfulness.to_dict()`; empty if
        `checks` is off), `layer` (for class activation maps; else empty), `wrt` (with respect to what:
        `input`, or the layer whose output is attributed), for texts `words` (each with its attribution; of
        methods whose attributions have no sum, as a share of the largest), and for spectrograms `heat`: its
        `values` (a list for each row, low frequencies first), the `hertz` of its rows (empty for an MFCC) and
        the `seconds` of its columns.

    Raises:
        Interrupted: stopped; the attributions so far are saved (exit code 130).
        UsageError: a method, target or box is invalid, or no method suits the network (exit code 2).
        DataError: the image cannot be read, or a weight is NaN or infinite (exit code 3).
    """
    from convscope.see.attribution import make_task, parse_methods

    parse_methods(recipe.methods(), recipe.set if recipe.method else [])
    net = inputs.network(recipe.net, recipe, workspace)
    methods = parse_methods(*_methods(recipe, of_tokens=net.input_spec.is_integer))
    sample = inputs.sample(net, recipe.image, workspace)
    task = make_task(net, sample.input[None], list(recipe.target) or None, wrt=recipe.wrt)
    boxes = [_boxes(recipe, sample)] * len(task) if recipe.box else []
    with workspace.folder(f"explain-{inputs.short_name(recipe.image)}") as folder:
        document = yield from save_results(
            _compared(_explained(task, methods, recipe, boxes, workspace), recipe),
            lambda made: {"net": net.name, "image": recipe.image, **_save(made, recipe, folder, sample)},
            lambda made, _: (
                f"stopped after {len(made.explanations)} of {counted(len(methods), 'method')}; "
                f"they are in {folder.out}"
            ),
        )
    yield finished({**document, "out": str(folder.out)})


def _methods(recipe: ExplainRecipe, *, of_tokens: bool) -> tuple[list[str], list[str]]:
    """Return names of methods and their settings; tokens are occluded one by one."""
    names = recipe.methods(of_tokens=of_tokens)
    single = ["occlusion.window=1", "occlusion.stride=1"] if of_tokens and "occlusion" in names else []
    return names, [*single, *recipe.set]


def _explained(
    task: "AttributionTask",
    methods: list[Any],
    recipe: ExplainRecipe,
    boxes: list[Any],
    workspace: Workspace,
) -> "Iterator[Progress[list[Explanation]]]":
    """Run each method; one that does not suit the network is left out, unless it is the only one."""
    from convscope.see.attribution import METRICS, iter_explain

    made: list[Explanation] = []
    for number, method in enumerate(methods):
        last = None
        try:
            for last in iter_explain(task, method, checks=METRICS if recipe.checks else (), boxes=boxes):
                so_far = [*made, last.result()]
                yield Progress(
                    (number + last.fraction) / len(methods),
                    f"{method.title}: {last.message}",
                    lambda so_far=so_far: so_far,
                )
        except UsageError as error:
            if len(methods) == 1:
                raise
            workspace.log(f"{method.title} is left out. {error}")
            if made:
                so_far = list(made)
                words = f"{method.title} is left out"
                yield Progress((number + 1) / len(methods), words, lambda so_far=so_far: so_far)
            continue
        made += [last.result()] if last else []
    if not made:
        raise UsageError(
            "a method that suits this network",
            received=", ".join(m.name for m in methods),
            hint="Name another one with --method; convscope explain --help lists them.",
        )


@dataclass(frozen=True)
class _Made:
    """What is explained so far, and in the end which methods the metrics favour for each target."""

    explanations: "list[Explanation]"
    comparisons: "tuple[MethodComparison, ...]" = ()


def _compared(
    steps: "Iterator[Progress[list[Explanation]]]", recipe: ExplainRecipe
) -> "Iterator[Progress[_Made]]":
    """With `--compare`, compare the methods when all have run; a tenth of the work."""
    from convscope.see.attribution import iter_compare_methods

    share, made = 0.9 if recipe.compare and recipe.checks else 1.0, []
    for step in steps:
        made = step.result()
        yield Progress(share * step.fraction, step.message, lambda made=made: _Made(made))
    if share < 1:
        for step in iter_compare_methods(made):
            yield Progress(
                share + (1 - share) * step.fraction,
                "comparing methods",
                lambda step=step: _Made(made, step.result()),
            )


def _save(
    found_so_far: _Made, recipe: ExplainRecipe, folder: ResultFolder, sample: "Sample | None" = None
) -> Document:
    from convscope.recipe import stamp
    from convscope.show.pages import crop
    from convscope.show.pages.explanation import attribution, text
    from convscope.show.pages.explanation import page as pages
    from convscope.show.pages.explanation import verdicts as words

    made, comparisons = found_so_far.explanations, found_so_far.comparisons
    mark, found, taken, verdicts = stamp(recipe), [], [], []
    said: list[Mapping[str, str]] = []
    spec = (made[0].task.whole or made[0].task).net.input_spec
    cropped, part = (crop.sentence(sample, spec), crop.note(sample, spec)) if sample else (None, "")
    titles = {e.method.name: e.method.title for e in made}
    for row, target in enumerate(made[0].targets):
        compared = comparisons[row] if comparisons else None
        chosen = made[words.order(made, row, compared)[0]]
        if compared is not None:
            verdict = words.verdict(compared, titles, len(made))
            said.append({"en": f"{verdict['en']}.", "zh": f"{verdict['zh']}。"})
            said += words.reasons(compared, titles, in_words=bool(attribution.pieces_in(made[0], row)))
            verdicts.append({"target": target, **compared.to_dict()})
        said += text.sentences(chosen, row, cropped)
        for e in made:
            name = f"{target.split(',')[0]}-{method_slug(e.method.name)}"
            plain = pictures.file_name(name, taken)
            taken.append(plain)
            file = f"{MAPS if recipe.compare else ''}{plain}"
            folder.save_image(attribution.heat_picture(e, row, side=448), file, mark, name)
            found.append(_entry(e, row, file, compared))
        sheet = pictures.file_name(target.split(",")[0], taken, ending="-sheet")
        taken.append(sheet)
        folder.save_image(attribution.sheet(made, row, note=part, comparison=compared), sheet, mark, target)
    if recipe.compare:
        page = pages.page(made, recipe.command(), comparisons, sample)
        folder.save_page(page, PAGE, "methods side by side")
    return {
        "said": [line["en"] for line in said],
        "said_zh": [line["zh"] for line in said],
        "verdicts": verdicts,
        "explanations": found,
    }


def _entry(e: "Explanation", row: int, picture: str, compared: "MethodComparison | None" = None) -> Document:
    """Return the fields of one explanation, drawn in a file; of a comparison, with its chance level."""
    checks = e.faithfulness[row].to_dict() if e.faithfulness else {}
    if compared is not None and "insertion" in checks:
        checks |= dict(zip(("insertion_chance", "deletion_chance"), compared.chance_areas, strict=True))
    return {
        "target": e.targets[row],
        "method": e.method.name,
        "settings": e.method.settings(),
        "value": float(e.scores[row]),
        "probability": float(e.probabilities[row]) if e.task.are_classes else None,
        "seconds": e.seconds,
        "done": e.share,
        "picture": picture,
        "checks": checks,
        "layer": str(e.layer or ""),
        "wrt": str(e.task.wrt or "input"),
        **_words(e, row),
        **_heat(e, row),
    }


def _words(explanation: "Explanation", row: int) -> Document:
    """Return the attribution of each word or character, for inputs that are texts; nothing for others."""
    from convscope.show import tinted
    from convscope.show.pages.explanation import attribution

    pieces = attribution.pieces_in(explanation, row)
    if not pieces:
        return {}
    values = tinted.totals(pieces, explanation.heatmap[row].cpu().numpy())
    if not explanation.method.satisfies_completeness:
        largest = max(map(abs, values)) or 1.0
        values = [value / largest for value in values]
    return {"words": [[piece.text, value] for piece, value in zip(pieces, values, strict=True)]}


def _heat(explanation: "Explanation", row: int) -> Document:
    """Return the heatmap over a spectrogram with its axes; nothing for others."""
    from convscope.show.pages.explanation.axes import axes_of

    axes = axes_of(explanation)
    if axes is None:
        return {}
    rows = [[float(f"{value:.3g}") for value in line] for line in explanation.heatmap[row].tolist()]
    return {"heat": {"values": rows, "hertz": list(axes.hertz), "seconds": list(axes.seconds)}}


def method_slug(name: str) -> str:
    """Return a method's name as part of a file name, unlike that of any other method.

    Args:
        name: as `--method` takes it, such as `gradcam++`.

    Returns:
        The name with `p` for `+`, and other characters than letters and digits as dashes.
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower().replace("+", "p")).strip("-")


def _boxes(recipe: ExplainRecipe, sample: "Sample") -> list[tuple[float, ...]]:
    """Return the recipe's boxes in positions of the network's input, where the file lies in it."""
    placement = sample.placement
    if placement is None or len(placement.extent) != 2:
        raise UsageError(
            "boxes in a photograph",
            received=f"{recipe.image}, of which {recipe.net} has no fixed part with height and width",
            hint="Leave --box out.",
        )
    found = []
    for text in recipe.box:
        left, top, right, bottom = _box(text, placement.extent)
        (y0, y1), (x0, x1) = placement.to_input(((top, bottom), (left, right)))
        found.append((x0, y0, x1, y1))
    return found


def _box(text: str, extent: tuple[float, ...]) -> tuple[float, ...]:
    """Parse `left,top,right,bottom`, in pixels of a file of a height and width."""
    height, width = extent
    sides = [real_number(part) for part in text.split(",")]
    if len(sides) != 4 or None in sides:
        raise UsageError(
            "a box as left,top,right,bottom",
            received=shortened(text),
            hint="In pixels of the picture: --box 10,20,110,120.",
        )
    a, b, c, d = (side for side in sides if side is not None)
    if not (a < c and b < d and a < width and b < height and c > 0 and d > 0):
        raise UsageError(
            f"a box as left,top,right,bottom, in a picture {width:g} wide and {height:g} high",
            received=repr(text),
            hint="In pixels of the picture: --box 10,20,110,120.",
        )
    return a, b, c, d
