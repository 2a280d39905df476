"""The server is killed under an open page: it comes back by itself, and a paused training stays paused."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.lab.browser.running import printed_link

pytestmark = pytest.mark.slow


class Restarted:
    """A lab at one port, in a process that is killed and started again."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.folder, self.process = folder, None

    def start(self) -> str:
        """Start it; return the link."""
        command = [sys.executable, "-m", "convscope", "lab", "--port", str(self.port), "--no-browser"]
        with (self.folder / "log.txt").open("w") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        return printed_link(self.process, self.folder / "log.txt")

    def end(self, with_signal: int) -> None:
        """End it by a signal."""
        assert self.process is not None
        os.kill(self.process.pid, with_signal)
        self.process.wait(60)


@pytest.fixture
def restarted(tmp_path: Path) -> Iterator[Restarted]:
    made = Restarted(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.end(signal.SIGINT)


def test_a_paused_training_is_still_paused_in_the_page_that_stayed_open(
    restarted: Restarted, browser: Any
) -> None:
    link = restarted.start()
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    page = context.new_page()
    page.set_default_timeout(120_000)
    streams, sockets = list[str](), list[str]()
    page.on("request", lambda request: streams.append(request.url) if "/events" in request.url else None)
    page.on("websocket", lambda opened: sockets.append(opened.url))
    page.goto(link)
    page.goto(f"http://127.0.0.1:{restarted.port}/train")
    page.get_by_label("Network", exact=True).fill("conv 6 5x5, relu, maxpool 4, flatten, dense 10")
    page.get_by_label("Epochs", exact=True).fill("40")
    page.get_by_label("Samples", exact=True).fill("2000")
    page.get_by_role("button", name="Train", exact=True).click()
    page.locator("[data-testid=score]").wait_for()
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Go on").wait_for()
    opened = len(sockets)
    restarted.end(signal.SIGKILL)
    page.wait_for_timeout(1000)
    restarted.start()
    page.get_by_text("paused", exact=True).wait_for()  # nobody has touched the page
    stands = page.get_by_role("progressbar", name="Progress").get_attribute("aria-valuenow")
    page.wait_for_timeout(1500)
    assert page.get_by_role("progressbar", name="Progress").get_attribute("aria-valuenow") == stands
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_role("button", name="Stop and keep it").click()
    page.locator("section.out").get_by_text("stopped", exact=True).wait_for()
    assert len(sockets) > opened  # it was opened anew,
    assert streams == []  # and no job has a connection of its own
    context.close()
