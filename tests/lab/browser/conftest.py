"""The lab as a user starts it, and a browser in front of it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.lab.browser.running import Lab, running

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # Camera and microphone are Chromium's own: a moving picture, and a file or tones.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file in one process: later ones look at the jobs of earlier ones."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.xdist_group(item.path.name))


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Start `convscope lab` in a process of its own, and end it as Ctrl-C does."""
    with running(tmp_path_factory.mktemp("lab")) as found:
        yield found


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

    def opened(path: str, script: str = "", **options: Any) -> Any:
        settings = {"viewport": {"width": 1280, "height": 900}, "locale": "en-US", **options}
        settings["storage_state"] = cookies
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: wrong.append(f"{path}: {error}"))
        page.on("request", lambda request: _foreign(request.url, lab.base, wrong))
        if script:  # before any of the page's own
            page.add_init_script(script)
        page.goto(lab.base + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not wrong


def _foreign(url: str, base: str, wrong: list[str]) -> None:
    if not url.startswith((base, base.replace("http", "ws"), "data:", "blob:", "about:")):
        wrong.append(url)
