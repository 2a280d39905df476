"""Serve the lab: a browser page to build, train, watch and question networks.

It runs on this machine, offline, without an account and without telemetry. The address that is printed lets
the browser in that opens it. Ctrl-C ends it; jobs that were running go on at the next start.

    convscope lab
    convscope lab --port 0 --no-browser
"""

import time
import webbrowser

from convscope.jobs.job import Document, Steps, finished
from convscope.jobs.output.workspace import Workspace
from convscope.lab.recipe import LabRecipe
from convscope.system import signals
from convscope.system.progress import Progress

schema = LabRecipe
WORKERS: dict[str, str] = {"live": "convscope.lab.workers.live", "jobs": "convscope.lab.workers.jobs"}
"""Name -> module of each worker process."""
PULSE = 0.25
"""Seconds between two steps."""


def run(recipe: LabRecipe, workspace: Workspace) -> Steps:
    """Serve the page and the API until stopped.

    Args:
        recipe: where to listen, and where results are kept.
        workspace: what is logged; its `out` gets the document at the end.

    Yields:
        The progress, and at the end the document: JSON fields `address` (of the page), `folder` and `seconds`
        (how long it was served).

    Raises:
        UsageError: the port is taken, or the address is not this machine's.
    """
    from convscope.lab.web.server import Server

    started = time.monotonic()
    signals.working()
    with Server(recipe, WORKERS) as server:

        def document() -> Document:
            seconds = round(time.monotonic() - started, 1)
            return {"address": server.address, "folder": recipe.folder, "seconds": seconds}

        try:
            workspace.log(f"Lab at {server.address}")
            if recipe.browser:
                webbrowser.open(server.address)
            while server.wait(PULSE):
                yield Progress(0.0, "", document)
        except KeyboardInterrupt:
            workspace.log("Stopping ...")
    yield finished(document())
