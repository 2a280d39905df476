"""Make pictures of what units, layers and answers like best.

PLACES are addresses inside the network: `conv2:17` is a unit, `conv2:17@5,5` one neuron, `conv2:0-7` eight
units, `conv2` a whole layer, `output:3` an answer. Each gets a PNG that remembers how it was made.

    convscope visualize digits conv2:3 output:7
    convscope visualize lecture conv1:* --canvas pixels --reduce sum --l1 0.01
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.cli import inputs, pictures
from convscope.cli.shell import Answer, Shell
from convscope.errors import Interrupted
from convscope.see.recipe import Visualize

if TYPE_CHECKING:
    from convscope.nets import Net
    from convscope.see import Visualization
    from convscope.see.visualization import Progress

schema = Visualize


def run(recipe: Visualize, shell: Shell) -> Answer:
    """Ascend, and save; stopped with Ctrl-C, what there is so far is saved."""
    net = inputs.looks_at_pictures(inputs.network(recipe.net, recipe, shell))
    with shell.folder(f"visualize-{net.name}") as folder:
        last, stopped = _ascended(net, recipe, shell)
        made = last.visualization()
        found = _save(net, made, folder.path)
        if stopped:
            raise Interrupted(
                f"stopped at step {made.steps}; the pictures so far are in {folder.place}",
                hint="Run the same command with another --out to finish.",
            )
    data = {"net": net.name, "pictures": found, "silent": list(made.silent), "out": str(folder.place)}
    return Answer(data, lambda: _table(found, made.silent))


def _ascended(net: "Net", recipe: Visualize, shell: Shell) -> "tuple[Progress, bool]":
    from convscope.see.visualization import visualizing

    last = None
    with shell.progress("ascending", 1.0) as progress:
        try:
            for last in visualizing(net, recipe):
                share = (last.done + len(last.current.scores) * last.step / max(last.steps, 1)) / last.total
                progress.update(
                    share, f"step {last.step} of {last.steps}, score {float(last.current.scores.mean()):.4g}"
                )
        except KeyboardInterrupt:
            if last is None:
                raise
            return last, True
    if last is None:
        raise Interrupted("stopped before the first step")
    return last, False


def _save(net: "Net", made: "Visualization", folder: Path) -> list[dict[str, Any]]:
    from convscope.cli.stamp import stamp
    from convscope.show import picture
    from convscope.worlds import photos

    mark = stamp(made.recipe)
    found: list[dict[str, Any]] = []
    images = [photos.to_picture(image, net.contract) for image in made.images]
    for place, image, score in zip(made.places, images, made.clean_scores.tolist(), strict=True):
        name = pictures.file_name(place, [f["picture"] for f in found])
        pictures.save(image, folder / name, mark)
        found.append({"place": place, "score": score, "picture": name})
    sheet = picture.grid(images, list(made.places), side=max(84, min(images[0].height, 224)))
    pictures.save(sheet, folder / "sheet.png", mark)
    return found


def _table(found: list[dict[str, Any]], silent: tuple[str, ...]) -> Any:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("place", "activation", "picture", ""):
        table.add_column(head)
    for entry in found:
        note = "silent: nothing that was tried makes it fire" if entry["place"] in silent else ""
        table.add_row(entry["place"], f"{entry['score']:.5g}", entry["picture"], note)
    return table
