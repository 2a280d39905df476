"""Train on real digits, look inside, write one illustrated report.

The report is one HTML page, English and Chinese, that opens without a network: why a CNN, convolution step by
step, a neuron as a computation graph, the whole network, its training, and what each layer has learned.

    convscope tour
"""

from typing import TYPE_CHECKING

from convscope.jobs.job import Document, Steps, finished, save_results
from convscope.jobs.output.workspace import Artifact, Workspace
from convscope.show.report.recipe import TourRecipe

if TYPE_CHECKING:
    from convscope.show import TourResult

schema = TourRecipe


def run(recipe: TourRecipe, workspace: Workspace) -> Steps:
    """Train networks on the bundled digits, visualise them, and write an illustrated report.

    Writes `report.html`, `digit.png` (the digit that is followed through the network) and a folder with each
    trained network.

    Args:
        recipe: epochs, steps of the synthesis, class of the digit that is followed, device and seed.
        workspace: where the result goes, and what is logged.

    Yields:
        The progress with the document so far; JSON fields `report` (path of the page), `accuracy` (test
        accuracy of each network, 0 to 1), `seconds` and `out` (the folder).

    Raises:
        Interrupted: stopped; the finished chapters are kept (exit code 130).
    """
    from convscope.show import iter_tour

    with workspace.folder("tour") as folder:
        document = yield from save_results(
            iter_tour(recipe, folder.path, shown=folder.out),
            _document,
            lambda _made, message: f"stopped at {message}; what there is is in {folder.out}",
        )
    workspace.artifacts.append(Artifact("report.html", "page", "the report"))
    yield finished({"report": str(folder.out / "report.html"), **document, "out": str(folder.out)})


def _document(made: "TourResult") -> Document:
    return {"accuracy": made.accuracy, "seconds": made.seconds}
