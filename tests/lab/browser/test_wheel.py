"""The lab of the wheel that users install: the page and all data are in it, and it asks no other machine."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.lab.browser.running import ONE, SEVEN, Lab, running, stroke, wait_for_answer

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 120
"""Seconds after which a wheel cannot be built: pip waits for the build backend, and there is no network."""


def pip(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and install it into a folder of its own; return the folder."""
    made, folder = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("installed")
    here = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else ["--retries", "0"]
    try:
        built = pip("wheel", ROOT, "--no-deps", "--wheel-dir", made, *here)
    except subprocess.TimeoutExpired:
        pytest.skip(f"the wheel was not built in {PATIENCE} s: pip waits for hatchling, its build backend")
    wheels = list(made.glob("convscope-*.whl"))
    if not wheels and "hatchling" in built.stdout + built.stderr:
        pytest.skip(
            "the wheel cannot be built here: hatchling, its build backend, is neither installed nor found"
        )
    assert wheels, built.stderr
    assert pip("install", "--no-deps", "--no-index", "--target", folder, wheels[0]).returncode == 0
    _hand_over_compiled(ROOT / "src" / "convscope", folder / "convscope")
    return folder


def _hand_over_compiled(source: Path, target: Path) -> None:
    """Copy what numba has compiled here from the same sources: the rules of Go, which take a minute."""
    for compiled in source.rglob("__pycache__/*.nb[ci]"):
        module = compiled.parents[1] / f"{compiled.name.split('.')[0]}.py"
        same = target / module.relative_to(source)
        assert same.read_bytes() == module.read_bytes()
        os.utime(same, ns=(module.stat().st_atime_ns, module.stat().st_mtime_ns))  # numba compares it
        same.parent.joinpath("__pycache__").mkdir(exist_ok=True)
        shutil.copy2(compiled, same.parent / "__pycache__")


@pytest.fixture(scope="module")
def wheel_lab(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Start the lab of the wheel, where no source lies; other packages are those of this environment."""
    env = {**os.environ, "PYTHONPATH": str(installed)}
    folder = tmp_path_factory.mktemp("lab")
    where = "import convscope; print(convscope.__file__)"
    found = subprocess.run([sys.executable, "-c", where], cwd=folder, env=env, capture_output=True, text=True)
    assert Path(found.stdout.strip()).is_relative_to(installed), found
    with running(folder, env) as lab:
        yield lab


def test_the_wheel_draws_inspects_and_plays_without_another_machine(wheel_lab: Lab, browser: Any) -> None:
    asked: list[str] = []
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900})
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.goto(wheel_lab.link)
    wait_for_answer(page, "7")
    page.keyboard.press("c")
    stroke(page, ONE)
    wait_for_answer(page, "1")
    page.keyboard.press("c")
    stroke(page, SEVEN)
    wait_for_answer(page, "7")

    box = page.locator("section[aria-labelledby='layer-conv2'] .stage").bounding_box()
    page.mouse.click(box["x"] + 5, box["y"] + 5)
    page.wait_for_url(re.compile(r"/m/digits/conv2/0\?at="))
    page.locator("p.sum b").first.wait_for()

    page.get_by_role("link", name="Go", exact=True).click()
    board = page.get_by_role("application")
    board.wait_for(timeout=240_000)  # a minute where the rules were never compiled
    board.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_url("**moves=E6.*")
    page.get_by_text("move 2").wait_for()
    context.close()
    assert len(asked) > 20
    assert any(url.startswith("ws:") for url in asked)
    web = {urlsplit(url).hostname for url in asked if not url.startswith(("data:", "blob:"))}
    assert web == {urlsplit(wheel_lab.base).hostname} == {"127.0.0.1"}
