"""Train on real digits, look inside, write one illustrated report.

The report is one HTML page, English and Chinese, that opens without a network: why a CNN, convolution step by
step, a neuron as a computation graph, the whole network, its training, and what each layer has learned.

    convscope tour
"""

from typing import Any

from convscope.cli.core.shell import Shell, VerbResult
from convscope.printable import printable
from convscope.show.report.recipe import TourRecipe

schema = TourRecipe


def run(recipe: TourRecipe, shell: Shell) -> VerbResult:
    """Train networks on the bundled digits, visualise them, and write an illustrated report.

    Writes `report.html`, `digit.png` (the digit that is followed through the network) and a folder with each
    trained network.

    Args:
        recipe: epochs, steps of the synthesis, class of the digit that is followed, device and seed.
        shell: destination of results, progress and log.

    Returns:
        JSON fields `report` (path of the page), `accuracy` (test accuracy of each network, 0 to 1), `seconds`
        and `out` (the folder); exit code 0.

    Raises:
        Interrupted: stopped with Ctrl-C; the finished chapters are kept (exit code 130).
        MissingError: the device is not here (exit code 4).
    """
    from convscope.cli.core.inputs import device
    from convscope.show.report.events import Written
    from convscope.show.report.tour import tour

    device(recipe.device)
    written = None
    with shell.folder("tour") as folder, shell.progress("tour", 1.0) as progress:
        for event in tour(recipe, folder.path, shown=folder.place):
            progress.update(event.done, event.note)
            written = event if isinstance(event, Written) else written
    report = folder.place / "report.html"
    found: dict[str, Any] = {"accuracy": written.accuracy, "seconds": written.seconds} if written else {}
    data = {"report": str(report), **found, "out": str(folder.place)}
    return VerbResult(data, lambda: _lines(report, found))


def _lines(report: Any, found: dict[str, Any]) -> str:
    lines = [f"{name}: {share:.1%} of test digits right" for name, share in found.get("accuracy", {}).items()]
    return "\n".join([*lines, f"The report: {printable(report)}  (open it in a browser)"])
