"""Serve the lab: a browser page to build, train, watch and question networks.

It runs on this machine, offline, without an account and without telemetry. The link that is printed lets one
browser in; programs send the token. Ctrl-C ends it; trainings that were running go on at the next start, and
other jobs say that they were interrupted.

    convscope lab
    convscope lab --port 0 --no-browser
"""

import os
import sys
import time
import webbrowser
from importlib.metadata import version
from typing import TYPE_CHECKING

from convscope.jobs.job import Document, Steps, finished
from convscope.jobs.output.workspace import Workspace
from convscope.lab.recipe import LabRecipe
from convscope.system import signals
from convscope.system.progress import Progress

if TYPE_CHECKING:
    from convscope.lab.web.server import Server

schema = LabRecipe
LOOPBACK = ("127.0.0.1", "::1", "localhost")
STEP_INTERVAL = 0.25
"""Seconds between two steps."""


def banner(server: "Server", recipe: LabRecipe) -> list[str]:
    """Return what is said when the server has started.

    Args:
        server: the server.
        recipe: the settings.

    Returns:
        The lines.
    """
    from convscope.lab.web.access.session import TOKEN_VARIABLE

    token = f"the token in {TOKEN_VARIABLE}" if os.environ.get(TOKEN_VARIABLE) else server.session.token
    everywhere = (
        [] if recipe.host in LOOPBACK else ["  note      other machines reach it, without encryption"]
    )
    return [
        f"convscope {version('convscope')} lab: offline, no account, no telemetry. Ctrl-C stops it.",
        f"  page      {server.link} (works once)",
        f"  programs  Authorization: Bearer {token}",
        f"  results   {recipe.folder}",
        *everywhere,
    ]


def has_screen() -> bool:
    """Return whether a browser can show itself: without a screen one might open inside the terminal."""
    known = sys.platform in ("darwin", "win32")
    return known or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def run(recipe: LabRecipe, workspace: Workspace) -> Steps:
    """Serve the page and the API until stopped.

    Args:
        recipe: where to listen, and where results are kept.
        workspace: what is logged; its `out` gets the document at the end.

    Yields:
        The progress, and at the end the document: JSON fields `url` (of the page), `folder` and `seconds`
        (how long it was served).

    Raises:
        UsageError: the port is taken, or the address is not this machine's.
        MissingError: this machine has no such device.
    """
    from convscope.lab.web.server import Server
    from convscope.lab.workers.device import require_device

    require_device(recipe.device)
    started = time.monotonic()
    signals.working()
    with Server(recipe) as server:

        def document() -> Document:
            seconds = round(time.monotonic() - started, 1)
            return {"url": server.url, "folder": recipe.folder, "seconds": seconds}

        try:
            for line in banner(server, recipe):
                workspace.log(line)
            if recipe.browser and has_screen():
                webbrowser.open(server.link)
            codes_used = server.session.codes_used
            while server.wait(STEP_INTERVAL):
                if server.session.codes_used > codes_used:
                    codes_used = server.session.codes_used
                    workspace.log(f"A link for another browser: {server.link}")
                yield Progress(0.0, "", document)
        except KeyboardInterrupt:
            workspace.log("Stopping ...")
    yield finished(document())
