"""From a stroke to the maps of all layers, over the lab's WebSocket: one tab, and twenty at once.

The server with its live worker as `convscope lab` starts it; each tab is a connection in this process that
draws a stroke of the digit network's input, and draws the next when the maps have come (`one tab`, `twenty
tabs`), or 60 strokes a second whatever comes (`flood`: of inputs that come meanwhile the newest counts).
"""

import asyncio
import statistics
import tempfile
import time
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.result import Result, Target
from convscope.lab.recipe import LabRecipe
from convscope.lab.web.server import Server
from convscope.lab.workers import WORKERS

STROKES, WARM, TABS, PER_TAB = 400, 30, 20, 40
FLOOD, RATE = 3.0, 60.0
"""Seconds and strokes a second of the flood."""
TARGET_MS = 15.0
"""Of the 30 ms from stroke to repaint in the browser, what may pass before the frame arrives."""


def strokes(count: int, seed: int = 0) -> list[bytes]:
    """Inputs of 28x28 bytes on which a line grows from one point to the next."""
    draw = np.random.default_rng(seed)
    found, page, at = [], np.zeros((28, 28), np.float32), draw.uniform(6, 22, 2)
    rows, columns = np.mgrid[:28, :28]
    for step in range(count):
        if step % 40 == 0:
            page[:], at = 0, draw.uniform(6, 22, 2)
        at = np.clip(at + draw.normal(0, 1.2, 2), 4, 24)
        ink = 255 * np.exp(-((rows - at[0]) ** 2 + (columns - at[1]) ** 2) / 2)
        page = np.maximum(page, ink)
        found.append(page.astype(np.uint8).tobytes())
    return found


async def drawn(tab: ClientConnection, pages: list[bytes]) -> list[float]:
    """Milliseconds from each stroke to its frame; the next stroke begins when that has come."""
    found = []
    for number, page in enumerate(pages):
        began = time.perf_counter()
        await tab.send(number.to_bytes(4, "little") + page)
        frame = await tab.recv()
        found.append(1000 * (time.perf_counter() - began))
        if not isinstance(frame, bytes):
            raise RuntimeError(frame)
    return found


async def flooded(tab: ClientConnection, pages: list[bytes]) -> tuple[list[float], float]:
    """Milliseconds from stroke to frame at a fixed rate of strokes, and frames a second."""
    sent: dict[int, float] = {}
    ages: list[float] = []

    async def receive() -> None:
        while True:
            frame = await tab.recv()
            text = frame[4 : 4 + int.from_bytes(frame[:4], "little")]  # type: ignore[arg-type]
            seq = int(text.split(b'"seq":')[1].split(b",")[0])  # type: ignore[arg-type]
            ages.append(1000 * (time.perf_counter() - sent[seq]))

    task = asyncio.create_task(receive())
    began, number = time.perf_counter(), 0
    while time.perf_counter() - began < FLOOD:
        sent[number] = time.perf_counter()
        await tab.send(number.to_bytes(4, "little") + pages[number % len(pages)])
        number += 1
        await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
    await asyncio.sleep(0.5)
    task.cancel()
    return ages, len(ages) / FLOOD


async def measured(address: str, headers: dict[str, str]) -> dict[str, Any]:
    pages = strokes(STROKES + WARM)
    opening = {"compression": None, "max_size": None, "additional_headers": headers}
    async with connect(address, **opening) as tab:
        await drawn(tab, pages[:WARM])
        one = await drawn(tab, pages[WARM:])
        flood, frames = await flooded(tab, pages)
    tabs = [await connect(address, **opening) for _ in range(TABS)]
    began = time.perf_counter()
    many = await asyncio.gather(*(drawn(tab, strokes(PER_TAB, seed)) for seed, tab in enumerate(tabs)))
    seconds = time.perf_counter() - began
    for tab in tabs:
        await tab.close()
    return {
        "one": one,
        "flood": flood,
        "flood_frames_per_second": frames,
        "many": many,
        "many_frames_per_second": TABS * PER_TAB / seconds,
    }


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def row(name: str, values: list[float], frames: float) -> tuple[str, ...]:
    middle, late = statistics.median(values), percentile(values, 0.95)
    return name, f"{middle:.1f}", f"{late:.1f}", f"{max(values):.1f}", f"{frames:.0f}"


def run() -> Result:
    with tempfile.TemporaryDirectory() as folder:
        recipe = LabRecipe(folder=folder, port=0, browser=False)
        with Server(recipe, {"live": WORKERS["live"]}) as server:
            address = f"ws://127.0.0.1:{server.port}/api/v1/socket"
            found = asyncio.run(measured(address, dict(server.session.headers)))
    one, many = found["one"], found["many"]
    means = [statistics.mean(times) for times in many]
    together = [value for times in many for value in times]
    late = percentile(one, 0.95)
    even = max(means) / min(means)
    rows = [
        row("one tab", one, 1000 / statistics.mean(one)),
        row("one tab, 60 strokes a second", found["flood"], found["flood_frames_per_second"]),
        row(f"{TABS} tabs at once", together, found["many_frames_per_second"]),
    ]
    targets = [
        Target(f"p95 of one tab under {TARGET_MS:.0f} ms", f"{late:.1f} ms", late < TARGET_MS),
        Target(
            "the slowest of 20 tabs waits less than 1.2 times as long as the fastest",
            f"{even:.2f}",
            even < 1.2,
        ),
    ]
    about = (
        "From sending a stroke to having the maps of all ten layers of the digit network and the input "
        "(66 kB), in milliseconds, and frames a second."
    )
    head = ("", "median", "p95", "longest", "frames/s")
    return Result("Live view over the WebSocket", about, head, rows, found, targets)
