"""The lab as a user starts it, and a browser in front of it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.lab.browser.running import Lab, enter, opening, running
from tests.lab.browser.wheel import TOKEN, installed_wheel

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
    """Keep the tests of a file in one process: later ones look at jobs of earlier ones. Also the wheel."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            name = "wheel" if item.path.name.startswith("test_wheel") else item.path.name
            item.add_marker(pytest.mark.xdist_group(name))


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
    return enter(browser, lab)


@pytest.fixture
def open_page(lab: Lab, browser: Any, cookies: Any) -> Iterator[Callable[..., Any]]:
    """Open a page of the lab: `open_page("/build", locale="zh-CN")`."""
    with opening(browser, lab.base, cookies) as opened:
        yield opened


@pytest.fixture(scope="session")
def wheel_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Start the lab of the wheel, where no source lies; other packages are those of this environment."""
    installed = installed_wheel(tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("installed"))
    env = {**os.environ, "PYTHONPATH": str(installed), "CONVSCOPE_TOKEN": TOKEN}
    folder = tmp_path_factory.mktemp("lab")
    where = "import convscope; print(convscope.__file__)"
    found = subprocess.run([sys.executable, "-c", where], cwd=folder, env=env, capture_output=True, text=True)
    assert Path(found.stdout.strip()).is_relative_to(installed), found
    with running(folder, env) as lab:
        yield lab


@pytest.fixture(scope="session")
def wheel_cookies(wheel_lab: Lab, browser: Any) -> Any:
    """What a browser has after it opened the link of the wheel's lab."""
    return enter(browser, wheel_lab)


@pytest.fixture
def open_wheel(wheel_lab: Lab, browser: Any, wheel_cookies: Any) -> Iterator[Callable[..., Any]]:
    """Open a page of the wheel's lab, as `open_page` does."""
    with opening(browser, wheel_lab.base, wheel_cookies) as opened:
        yield opened


@pytest.fixture(scope="session")
def keep(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., None]:
    """Keep a screenshot: in the folder that `CONVSCOPE_SCREENSHOTS` names, else with pytest's last runs."""
    named = os.environ.get("CONVSCOPE_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return lambda page, name: page.screenshot(path=folder / f"{name}.png")
