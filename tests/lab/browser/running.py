"""A lab in a process of its own, and what a browser does in front of it."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

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
            yield Lab(_link(process, folder / "log.txt"), folder / "runs")
        finally:
            process.send_signal(2)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def _link(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Return the address that the lab prints."""
    for _ in range(600):
        found = re.search(r"https?://\S+", log.read_text())
        if found:
            return found[0]
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def stroke(page: Any, points: Sequence[tuple[float, float]]) -> None:
    """Draw on the pad with the mouse, as a hand does: in many small moves."""
    box = page.locator(".pad canvas").bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*at[0])
    page.mouse.down()
    for x, y in at[1:]:
        page.mouse.move(x, y, steps=6)
    page.mouse.up()


def answer(page: Any) -> str:
    return page.locator(".answers .name.best").inner_text()


def wait_for_answer(page: Any, name: str) -> None:
    page.locator(".answers .name.best", has_text=re.compile(f"^{name}$")).wait_for()


def until(page: Any, condition: str) -> None:
    """Wait until a condition holds; the page's policy forbids to evaluate it in there again and again."""
    for _ in range(300):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    raise AssertionError(condition)


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
