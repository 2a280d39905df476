"""The lab as a user starts it, and a browser in front of it."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@dataclass
class Lab:
    """A running lab."""

    link: str
    folder: Path

    @property
    def base(self) -> str:
        return self.link.split("/?")[0].rstrip("/")


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Start `convscope lab` in a process of its own, and end it as Ctrl-C does."""
    folder = tmp_path_factory.mktemp("lab")
    command = [sys.executable, "-m", "convscope", "lab", "--port", "0", "--no-browser", "--folder", "runs"]
    log = (folder / "log.txt").open("w+")
    process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env=os.environ)
    try:
        yield Lab(_link(process, folder / "log.txt"), folder / "runs")
    finally:
        process.send_signal(2)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
        log.close()


def _link(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Return the address that the lab prints."""
    for _ in range(600):
        found = re.search(r"https?://\S+", log.read_text())
        if found:
            return found[0]
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    if not Path(CHROMIUM).exists():
        pytest.skip("needs a chromium: apt install chromium")
    with playwright.sync_playwright() as started:
        made = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()


@pytest.fixture(scope="session")
def cookies(lab: Lab, browser: Any) -> Any:
    """What a browser has after it opened the link, which works once."""
    context = browser.new_context()
    context.new_page().goto(lab.link)
    found = context.storage_state()
    context.close()
    return found


@pytest.fixture
def open_page(lab: Lab, browser: Any, cookies: Any) -> Iterator[Callable[..., Any]]:
    """Open a page of the lab: `open_page("/build", locale="zh-CN")`.

    The test fails if the page raises an error, logs one, or asks another machine.
    """
    contexts, wrong = [], []

    def opened(path: str, **options: Any) -> Any:
        settings = {"viewport": {"width": 1280, "height": 900}, "locale": "en-US", **options}
        settings["storage_state"] = cookies
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: wrong.append(f"{path}: {error}"))
        page.on("request", lambda request: _foreign(request.url, lab.base, wrong))
        page.goto(lab.base + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not wrong


def _foreign(url: str, base: str, wrong: list[str]) -> None:
    if not url.startswith((base, base.replace("http", "ws"), "data:", "blob:", "about:")):
        wrong.append(url)
