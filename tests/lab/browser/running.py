"""A lab in a process of its own, and what a browser does in front of it."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from convscope.worlds import digits

LAB_UI = Path(__file__).resolve().parents[3] / "lab-ui"
SEVEN = [(0.25, 0.25), (0.5, 0.25), (0.75, 0.24), (0.62, 0.5), (0.5, 0.68), (0.44, 0.84)]
ONE = [(0.52, 0.16), (0.51, 0.4), (0.5, 0.62), (0.49, 0.85)]


@dataclass
class Lab:
    """A running lab."""

    link: str
    folder: Path

    @property
    def base(self) -> str:
        return self.link.split("/?")[0].rstrip("/")


@contextmanager
def running(folder: Path, env: Mapping[str, str] = os.environ) -> Iterator[Lab]:
    """Start `convscope lab` in a folder, and end it as Ctrl-C does."""
    command = [sys.executable, "-m", "convscope", "lab", "--port", "0", "--no-browser", "--folder", "runs"]
    with (folder / "log.txt").open("w+") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env=env)
        try:
            yield Lab(printed_link(process, folder / "log.txt"), folder / "runs")
        finally:
            process.send_signal(2)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def printed_link(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Wait for the address that a lab prints into its log."""
    for _ in range(600):
        found = re.search(r"https?://\S+", log.read_text())
        if found:
            return found[0]
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def enter(browser: Any, lab: Lab) -> Any:
    """Open the link of a lab, which works once; return what the browser has then: its cookies."""
    context = browser.new_context()
    context.new_page().goto(lab.link)
    found = context.storage_state()
    context.close()
    return found


@contextmanager
def opening(browser: Any, base: str, cookies: Any) -> Iterator[Callable[..., Any]]:
    """Give a function that opens pages of a lab: `open_page("/build", locale="zh-CN")`.

    A page that raises an error, or a request to another machine, fails the test in the end.
    """
    contexts, wrong = [], []

    def opened(path: str, script: str = "", **options: Any) -> Any:
        settings = {"viewport": {"width": 1280, "height": 900}, "locale": "en-US", **options}
        settings["storage_state"] = cookies
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: wrong.append(f"{path}: {error}"))
        page.on("request", lambda request: _foreign(request.url, base, wrong))
        page.on("websocket", lambda socket: _foreign(socket.url, base, wrong))
        if script:  # before any of the page's own
            page.add_init_script(script)
        page.goto(base + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not wrong


def _foreign(url: str, base: str, wrong: list[str]) -> None:
    if not url.startswith((base, base.replace("http", "ws"), "data:", "blob:", "about:")):
        wrong.append(url)


def drop(page: Any, file: Path, name: str) -> None:
    """Drop a file on the result of the page, as a user does with the mouse."""
    transfer = page.evaluate_handle(
        """([bytes, name]) => { const t = new DataTransfer();
        t.items.add(new File([new Uint8Array(bytes)], name, {type: 'image/png'})); return t }""",
        [list(file.read_bytes()), name],
    )
    page.locator("section.out").dispatch_event("drop", {"dataTransfer": transfer})


def begin(page: Any, verb: str, **settings: Any) -> str:
    """Put a job into the queue, as the page does; return its id."""
    return page.evaluate(
        """body => fetch('/api/v1/jobs', {method: 'POST', body: JSON.stringify(body),
        headers: {'Content-Type': 'application/json'}}).then(answer => answer.json()).then(({id}) => id)""",
        {"verb": verb, "settings": settings, "uploads": {}},
    )


def stroke(page: Any, points: Sequence[tuple[float, float]]) -> None:
    """Draw on the pad with the mouse, as a hand does: in many small moves."""
    box = page.locator(".pad canvas").bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*at[0])
    page.mouse.down()
    for x, y in at[1:]:
        page.mouse.move(x, y, steps=6)
    page.mouse.up()


def handwritten_seven(folder: Path) -> Path:
    """Save a 7 of the bundled test data as ink on paper, larger than the network's input."""
    data = digits.test()
    index = next(i for i in range(len(data)) if int(data.labels[i]) == 7)
    pixels = 255 - (255 * data.inputs([index])[0][0]).byte().numpy()
    Image.fromarray(pixels).resize((112, 112)).save(folder / "seven.png")
    return folder / "seven.png"


def answer(page: Any) -> str:
    return page.locator(".answers .name.best").inner_text()


def wait_for_answer(page: Any, name: str) -> None:
    page.locator(".answers .name.best", has_text=re.compile(f"^{name}$")).wait_for()


def until(page: Any, condition: str | Callable[[], bool]) -> None:
    """Wait until a condition holds, in JavaScript or in Python.

    It is asked for again and again from here: the page's policy forbids to evaluate a text in there.
    """
    for _ in range(300):
        if page.evaluate(condition) if isinstance(condition, str) else condition():
            return
        page.wait_for_timeout(100)
    raise AssertionError(condition)


def expect(found: Any) -> Any:
    """Return Playwright's assertions on a locator; they wait until they hold, up to 30 seconds."""
    from playwright import sync_api

    sync_api.expect.set_options(timeout=30_000)
    return sync_api.expect(found)


def serious(page: Any) -> list[tuple[str, list[str]]]:
    """Return what axe finds serious or critical on a page: rules, and the elements that break them."""
    axe = LAB_UI / "node_modules" / "axe-core" / "axe.min.js"
    if not axe.exists():
        pytest.skip("needs axe-core: npm ci in lab-ui")
    page.evaluate(axe.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run().then(result => result.violations)")
    return [
        (
            one["id"],
            [f"{node['html'][:120]}: {node.get('failureSummary', '')[:300]}" for node in one["nodes"]],
        )
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
