"""Say what is in pictures.

convscope classify digits digit.png
convscope classify efficientnet_lite0 photo.jpg --top 5
"""

from typing import Any

from convscope.cli import inputs
from convscope.cli.shell import Answer, Shell
from convscope.errors import DataError
from convscope.use.recipe import Classify

schema = Classify


def run(recipe: Classify, shell: Shell) -> Answer:
    """Classify every picture; those that cannot be read are listed, and make the exit code 3."""
    from convscope.use import classifying

    net = inputs.looks_at_pictures(inputs.network(recipe.net, recipe, shell))
    answers, first = [], None
    with shell.progress("classifying", len(recipe.images)) as progress:
        found = classifying(net, recipe.images, top=recipe.top, batch=recipe.batch)
        for number, (path, answer) in enumerate(zip(recipe.images, found, strict=True)):
            if isinstance(answer, DataError):
                first = first or answer
                answers.append({"image": path, "error": str(answer)})
            else:
                top = zip(answer.units, answer.labels, answer.probabilities, strict=True)
                answers.append({"image": path, "top": [_entry(*entry) for entry in top]})
            progress.update(number + 1, path)
    if first is not None and all("error" in answer for answer in answers):
        raise first
    code = DataError.exit_code if first is not None else 0
    return Answer({"net": net.name, "answers": answers}, lambda: _table(answers), code)


def _entry(unit: int, label: str, probability: float) -> dict[str, Any]:
    return {"unit": unit, "label": label, "probability": probability}


def _table(answers: list[dict[str, Any]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    for answer in answers:
        if "error" in answer:
            table.add_row(Text(answer["image"]), "", Text(answer["error"], "yellow"))
        for index, entry in enumerate(answer.get("top", ())):
            name = Text("" if index else answer["image"])
            table.add_row(name, f"{entry['probability']:.1%}", Text(entry["label"]))
    return table
