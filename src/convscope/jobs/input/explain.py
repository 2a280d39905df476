"""Show which part of a picture an answer came from, and how far that can be believed.

Heat over the photo for each method and target, with what the checks say: deletion and insertion, the drop
when only what is hot is seen, completeness, and whether the heat fades when the weights are random.

    convscope explain photo.jpg
    convscope explain photo.jpg --target tench --method gradcam --method lrp
    convscope explain photo.jpg --compare --set rise.samples=2000
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.cli.core import inputs, pictures
from convscope.cli.core.shell import Shell, VerbResult
from convscope.errors import Interrupted, UsageError
from convscope.graph.spec import DIGIT
from convscope.recipe import real_number, shortened
from convscope.see.attribution import ExplainRecipe

if TYPE_CHECKING:
    from convscope.nets import Net
    from convscope.see import Explanation
    from convscope.see.attribution import AttributionTask

schema = ExplainRecipe
STAGES = {"attributing": (0.0, 0.4), "checking": (0.4, 0.0), "deleting and inserting": (0.4, 0.2)}
"""Start and length of each stage as shares of the work on one method; weight randomisation is the rest."""


def run(recipe: ExplainRecipe, shell: Shell) -> VerbResult:
    """Compute attributions of an image by each method, check their faithfulness, and save heatmaps.

    Writes a heatmap `TARGET-METHOD.png` for each target and method, `TARGET-sheet.png` for each target and,
    with `--compare`, the page `index.html`. A method that does not suit the network is skipped with a log
    line, unless it is the only one.

    Args:
        recipe: image, network, targets, methods, boxes (`left,top,right,bottom` in pixels of the image) and
            settings.
        shell: destination of results, progress and log.

    Returns:
        JSON fields `net`, `image`, `said` (sentences that summarise the result), `explanations` and `out`
        (the folder); exit code 0. Each explanation has `target`, `method`, `settings`, `value` (the target's
        value), `degree` (its probability if all targets are classes, else the value), `seconds`, `done`
        (finished share of the method, 0 to 1), `picture` (file name), `checks` (`Faithfulness.to_dict()`;
        empty if `checks` is off) and `layer` (for class activation maps; else empty).

    Raises:
        Interrupted: stopped with Ctrl-C; the attributions so far are saved (exit code 130).
        UsageError: a method, target or box is invalid, or no method suits the network (exit code 2).
        DataError: the image cannot be read, or a weight is NaN or infinite (exit code 3).
    """
    from convscope.see.attribution import make_task, parse_methods

    methods = parse_methods(recipe.methods, recipe.set)
    net = inputs.looks_at_pictures(inputs.network(recipe.net, recipe, shell))
    question = make_task(net, inputs.picture(net, recipe.image), list(recipe.target) or None)
    boxes = [_boxes(recipe, net)] * len(question) if recipe.box else []
    with shell.folder(f"explain-{Path(recipe.image).stem}") as folder:
        made, stopped = _explained(question, methods, recipe, boxes, shell)
        found, said = _save(made, recipe, folder.path)
        if stopped:
            raise Interrupted(
                f"stopped after {len(made)} of {len(methods)} methods; they are in {folder.place}",
                hint="Run the same command with another --out to finish.",
            )
    data = {
        "net": net.name,
        "image": recipe.image,
        "said": said,
        "explanations": found,
        "out": str(folder.place),
    }
    return VerbResult(data, lambda: _table(found, said))


def _explained(
    question: "AttributionTask", methods: list[Any], recipe: ExplainRecipe, boxes: list[Any], shell: Shell
) -> "tuple[list[Explanation], bool]":
    from convscope.see.attribution import ALL, iter_explain

    made: list[Explanation] = []
    with shell.progress("explaining", float(len(methods))) as progress:
        for number, method in enumerate(methods):
            last = None
            try:
                for last in iter_explain(question, method, checks=ALL if recipe.checks else (), boxes=boxes):
                    start, length = STAGES.get(last.stage, (0.6, 0.4))
                    progress.update(number + start + length * last.share, f"{method.title}: {last.stage}")
            except KeyboardInterrupt:
                made += [last.explanation] if last else []
                if not made:
                    raise
                return made, True
            except UsageError as error:
                if len(methods) == 1:
                    raise
                shell.log(f"{method.title} is left out. {error}")
                continue
            made += [last.explanation] if last else []
    if not made:
        raise UsageError("a method that suits this network", received=", ".join(m.name for m in methods))
    return made, False


def _save(
    made: "list[Explanation]", recipe: ExplainRecipe, folder: Path
) -> tuple[list[dict[str, Any]], list[str]]:
    from convscope.cli.core.provenance import stamp
    from convscope.show.pages import attribution, explanation_text

    mark, found, said, taken = stamp(recipe), [], [], []
    for row, target in enumerate(made[0].targets):
        said += explanation_text.sentences(explanation_text.best(made, row), row)
        for e in made:
            name = f"{target.split(',')[0]}-{e.method.name}"
            file = pictures.file_name(name, taken)
            taken.append(file)
            pictures.save(attribution.heat_picture(e, row, side=448), folder / file, mark)
            numbers = e.faithfulness[row].to_dict() if e.faithfulness else {}
            found.append(
                {
                    "target": target,
                    "method": e.method.name,
                    "settings": e.method.settings(),
                    "value": float(e.scores[row]),
                    "degree": float(e.probabilities[row]),
                    "seconds": e.seconds,
                    "done": e.share,
                    "picture": file,
                    "checks": numbers,
                    "layer": str(e.layer or ""),
                }
            )
        sheet = pictures.file_name(target.split(",")[0], taken, ending="-sheet")
        taken.append(sheet)
        pictures.save(attribution.sheet(made, row), folder / sheet, mark)
    if recipe.compare:
        (folder / "index.html").write_text(attribution.page(made, recipe.command()), encoding="utf-8")
    return found, said


def _boxes(recipe: ExplainRecipe, net: "Net") -> list[tuple[float, ...]]:
    """Return the recipe's boxes in pixels of the network's input: scaled and cropped as the image is."""
    from convscope.worlds.images import photos

    if net.input_spec.kind == DIGIT:
        raise UsageError(
            "boxes in a photograph", received=f"{net.name}, which moves and scales what it is shown"
        )
    width, height = photos.open_photo(recipe.image).size
    down, across = photos.picture_size(net.input_spec)
    crop = net.input_spec.transform.crop
    scale = max(max(across, round(across / crop)) / width, max(down, round(down / crop)) / height)
    left, top = (width * scale - across) / 2, (height * scale - down) / 2
    return [_box(text, (width, height), scale, left, top) for text in recipe.box]


def _box(text: str, size: tuple[int, int], scale: float, left: float, top: float) -> tuple[float, ...]:
    sides = [real_number(part) for part in text.split(",")]
    if len(sides) != 4 or None in sides:
        raise UsageError("a box as left,top,right,bottom", received=shortened(text))
    a, b, c, d = (side for side in sides if side is not None)
    if not (a < c and b < d and a < size[0] and b < size[1] and c > 0 and d > 0):
        raise UsageError(
            f"a box as left,top,right,bottom, in a picture {size[0]} wide and {size[1]} high",
            received=repr(text),
        )
    return a * scale - left, b * scale - top, c * scale - left, d * scale - top


def _table(found: list[dict[str, Any]], said: list[str]) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("target", "method", "insertion", "deletion", "drop", "gap", "random weights", "seconds"):
        table.add_column(head)
    for entry in found:
        c = entry["checks"]
        cells = [
            _number(c, "insertion"),
            _number(c, "deletion"),
            _percent(c, "drop"),
            _percent(c, "completeness_gap"),
        ]
        fades = (
            f"{c['rank_correlations'][-1]:+.2f} {'fades' if c['fades'] else 'stays'}" if "fades" in c else ""
        )
        method = f"{entry['method']} at {entry['layer']}" if entry["layer"] else entry["method"]
        table.add_row(Text(entry["target"]), Text(method), *cells, fades, f"{entry['seconds']:.2f}")
    return Group(*(Text(sentence) for sentence in said), "", table)


def _number(checks: dict[str, Any], key: str) -> str:
    return f"{checks[key]:.2f} (chance {checks[key + '_chance']:.2f})" if key in checks else ""


def _percent(checks: dict[str, Any], key: str) -> str:
    return f"{checks[key]:.1%}" if key in checks else ""
