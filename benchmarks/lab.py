"""The lab in headless Chromium: from the stroke to the repaint of all layers, the first page, many viewers.

    python -m benchmarks lab

Needs Debian's Chromium and Playwright (`pip install playwright`); nothing outside this machine is asked.
"""

import asyncio
import gzip
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.result import Result, Target, spread

NEEDS = ()
CHROMIUM = os.environ.get("CONVSCOPE_CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
QUICK = os.environ.get("CONVSCOPE_BENCH") == "quick"
TOKEN = "benchmark-of-the-lab-0123456789"
HERTZ = 60
"""Pointer events a second, as a mouse on a common screen gives them."""
STROKES = {
    "7": [(0.27, 0.27), (0.73, 0.26), (0.58, 0.56), (0.46, 0.82)],
    "3": [(0.3, 0.25), (0.65, 0.22), (0.68, 0.38), (0.47, 0.48), (0.7, 0.58), (0.66, 0.76), (0.3, 0.78)],
    "0": [(0.5, 0.2), (0.3, 0.35), (0.3, 0.65), (0.5, 0.8), (0.7, 0.65), (0.7, 0.35), (0.5, 0.2)],
    "2": [(0.3, 0.32), (0.5, 0.2), (0.7, 0.35), (0.5, 0.58), (0.28, 0.8), (0.75, 0.78)],
    "1": [(0.4, 0.32), (0.55, 0.2), (0.53, 0.5), (0.52, 0.82)],
}
"""Corners of pen strokes, in a square of side 1."""
MOVES = 36
"""Pointer events of a stroke."""
WATCH = """
(() => {
  const seen = { pending: [], sent: new Map(), found: [], painted: 0, first: 0 };
  window.measured = seen;
  for (const name of ['putImageData', 'drawImage']) {
    const draw = CanvasRenderingContext2D.prototype[name];
    CanvasRenderingContext2D.prototype[name] = function (...given) {
      const found = draw.apply(this, given);
      seen.painted = performance.now();
      return found;
    };
  }
  for (const kind of ['pointerdown', 'pointermove']) {
    window.addEventListener(kind, (event) => event.buttons && seen.pending.push(event.timeStamp), true);
  }
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    if (data instanceof ArrayBuffer) {
      seen.sent.set(new DataView(data).getUint32(0, true), seen.pending);
      seen.pending = [];
    }
    return send.call(this, data);
  };
  const Native = window.WebSocket;
  window.WebSocket = class extends Native {
    constructor(...given) {
      super(...given);
      this.addEventListener('message', ({ data }) => {
        if (typeof data === 'string') return;
        const length = new DataView(data).getUint32(0, true);
        const { seq } = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
        const came = performance.now();
        const look = (left) => requestAnimationFrame(() => setTimeout(() => {
          if (seen.painted < came && left > 0) return look(left - 1);
          seen.first ||= seen.painted;
          for (const began of seen.sent.get(seq) ?? []) seen.found.push(seen.painted - began);
          seen.sent.delete(seq);
        }));
        look(5);
      });
    }
  };
})();
"""
"""Notes each pointer event, the input that carries it, and the last drawing that its maps caused."""

DRAW = """
() => {
  const canvas = document.querySelector('.pad canvas');
  const box = canvas.getBoundingClientRect();
  canvas.setPointerCapture = () => {}; // no pointer of the browser has this number
  let step = 0;
  const fire = (kind, button) => {
    const [x, y] = [0.5 + 0.3 * Math.sin(step / 7), 0.5 + 0.3 * Math.cos(step / 9)];
    const place = { clientX: box.left + box.width * x, clientY: box.top + box.height * y };
    const pressed = { pointerId: 1, button, buttons: 1, bubbles: true };
    canvas.dispatchEvent(new PointerEvent(kind, { ...pressed, ...place }));
  };
  fire('pointerdown', 0);
  setInterval(() => (step++, fire('pointermove', -1)), 33);
}
"""
"""Draws on a tab without end, 30 points a second."""
TABS, PROGRAMS = 8, 12


@dataclass(frozen=True)
class Lab:
    """A lab that was started.

    Attributes:
        url: of its page.
        link: lets one browser in.
        started: seconds from the command to the first page.
    """

    url: str
    link: str
    started: float


def run() -> Result:
    from playwright.sync_api import sync_playwright

    starts = [start_only() for _ in range(1 if QUICK else 3)]
    with lab() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.add_init_script(WATCH)
        page = context.new_page()
        page.goto(server.link)
        ready(page)
        strokes = [moved for _ in range(1 if QUICK else 4) for moved in drawn(page)]
        first = [first_page(context, server) for _ in range(2 if QUICK else 5)]
        weight = first_view(context, server)
        crowd = viewers(context, server)
        browser.close()
    return report(starts, strokes, first, weight, crowd)


@contextmanager
def lab() -> Iterator[Lab]:
    """Start the lab in an empty folder, and end it."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "convscope",
            "lab",
            "--port",
            "0",
            "--no-browser",
            "--folder",
            folder,
        ]
        given = {**os.environ, "CONVSCOPE_TOKEN": TOKEN}
        process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=given
        )
        try:
            link = next(
                found[0] for line in process.stderr or () if (found := re.search(r"http://\S+", line))
            )
            threading.Thread(target=lambda: list(process.stderr or ()), daemon=True).start()
            address = re.match(r"http://[^/]+", link)[0]  # pyright: ignore[reportOptionalSubscript]
            asked(address, "/")
            yield Lab(address, link, time.perf_counter() - began)
        finally:
            process.terminate()
            process.wait(30)


def start_only() -> float:
    """Return the seconds from the command to the first page."""
    with lab() as server:
        return server.started


def asked(address: str, path: str, body: dict[str, Any] | None = None) -> bytes:
    """Ask the server as a program does."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(address + path, data, headers), timeout=60) as found:
        return found.read()


def ready(page: Any) -> float:
    """Wait for the first maps, and return the milliseconds since the page was asked for."""
    end = time.monotonic() + 60
    while not (found := page.evaluate("measured.first")):
        if time.monotonic() > end:
            raise RuntimeError("no maps within a minute")
        page.wait_for_timeout(10)
    return found


def drawn(page: Any) -> list[float]:
    """Draw each digit with the mouse; return milliseconds from each pointer event to its repaint."""
    box = page.locator(".pad canvas").bounding_box()
    page.evaluate("measured.found.length = 0")
    for corners in STROKES.values():
        page.keyboard.press("c")
        points = along(corners)
        page.mouse.move(*inside(box, points[0]))
        page.mouse.down()
        for point in points[1:]:
            due = time.perf_counter() + 1 / HERTZ
            page.mouse.move(*inside(box, point))
            time.sleep(max(due - time.perf_counter(), 0))
        page.mouse.up()
        page.wait_for_timeout(300)
    return page.evaluate("measured.found")


def along(corners: list[tuple[float, float]]) -> np.ndarray:
    """Return the points of a stroke, evenly spaced."""
    path = np.array(corners)
    steps = np.r_[0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))]
    at = np.linspace(0, steps[-1], MOVES)
    return np.stack([np.interp(at, steps, path[:, k]) for k in (0, 1)], 1)


def inside(box: dict[str, float], point: np.ndarray) -> tuple[float, float]:
    """Return a point of the screen."""
    return box["x"] + box["width"] * float(point[0]), box["y"] + box["height"] * float(point[1])


def first_page(context: Any, server: Lab) -> float:
    """Return the milliseconds from asking for the page to its first maps."""
    page = context.new_page()
    page.goto(server.url)
    found = ready(page)
    page.close()
    return found


def first_view(context: Any, server: Lab) -> int:
    """Return the bytes of the first view, each file compressed by gzip."""
    page, found = context.new_page(), {}

    def add(response: Any) -> None:
        if "/api/" not in response.url:
            found[response.url] = len(gzip.compress(response.body(), 9))

    page.on("response", add)
    page.goto(server.url)
    ready(page)
    page.wait_for_timeout(500)
    page.close()
    return sum(found.values())


def viewers(context: Any, server: Lab) -> dict[str, Any]:
    """Time a job alone, beside programs, beside tabs as well, and beside tabs in which somebody draws."""
    alone = [job_seconds(server)]
    programs_only, _ = beside(server, TABS + PROGRAMS)
    alone.append(job_seconds(server))
    pages = [context.new_page() for _ in range(TABS)]
    for page in pages:
        page.goto(server.url)
        ready(page)
    mixed, rates = beside(server, PROGRAMS)
    latencies = drawn(pages[-1])
    for page in pages:
        page.evaluate(DRAW)
    drawing, drawing_rates = beside(server, PROGRAMS)
    for page in pages:
        page.close()
    alone.append(job_seconds(server))
    seconds = {"alone": alone, "programs": [programs_only], "mixed": [mixed], "drawing": [drawing]}
    return {"seconds": seconds, "rates": rates, "drawing_rates": drawing_rates, "tab": latencies}


def beside(server: Lab, count: int) -> tuple[float, list[float]]:
    """Return the seconds of a job while programs watch, and the frames a second of each program."""
    stop, rates = threading.Event(), list[float]()
    crowd = threading.Thread(target=lambda: rates.extend(asyncio.run(programs(server, stop, count))))
    crowd.start()
    time.sleep(0.5)
    seconds = job_seconds(server)
    stop.set()
    crowd.join()
    return seconds, rates


def job_seconds(server: Lab) -> float:
    """Return the seconds of a job: feature visualization of one unit."""
    settings = {"net": "digits", "places": ["conv2:3"], "steps": 50 if QUICK else 1000, "size": "64"}
    job = json.loads(asked(server.url, "/api/v1/jobs", {"verb": "visualize", "settings": settings}))["id"]
    while True:
        found = json.loads(asked(server.url, f"/api/v1/jobs/{job}"))
        if found["state"] not in ("queued", "running"):
            if found["state"] != "done":
                raise RuntimeError(f"the job has not ended well: {found['error']}")
            return found["ended"] - found["started"]
        time.sleep(0.1)


async def programs(server: Lab, stop: threading.Event, count: int) -> list[float]:
    """Watch the digits with several programs, each sending an input as soon as it has its maps.

    Returns:
        Frames a second of each.
    """
    return await asyncio.gather(*(watching(server, stop, seed) for seed in range(count)))


async def watching(server: Lab, stop: threading.Event, seed: int) -> float:
    """Return the frames a second of one program."""
    from websockets.asyncio.client import connect

    values = np.random.default_rng(seed).integers(0, 255, 28 * 28, dtype=np.uint8).tobytes()
    url = server.url.replace("http", "ws") + "/api/v1/socket"
    frames, began = 0, time.perf_counter()
    async with connect(
        url, additional_headers={"Authorization": f"Bearer {TOKEN}"}, max_size=2**24
    ) as socket:
        await socket.send(json.dumps({"type": "watch", "net": "digits", "layers": None}))
        while not stop.is_set():
            await socket.send((frames + 1).to_bytes(4, "little") + values)
            while isinstance(await socket.recv(), str):
                pass
            frames += 1
    return frames / (time.perf_counter() - began)


def report(
    starts: list[float], strokes: list[float], first: list[float], weight: int, crowd: dict[str, Any]
) -> Result:
    """Lay out what was found."""
    late = float(np.percentile(strokes, 95))
    jobs = crowd["seconds"]
    longer = {
        name: statistics.median(found) / statistics.median(jobs["alone"]) for name, found in jobs.items()
    }
    rows = [
        ("from the command to the first page, s", spread(starts, ".2f")),
        ("from asking for the page to its first maps, ms", spread(first)),
        ("first view, every file compressed by gzip, kB", f"{weight / 1000:,.0f}"),
        (
            f"from a pointer event to the repaint of all layers, ms: {len(strokes)} events",
            f"median {statistics.median(strokes):.1f}, 95 % within {late:.1f}",
        ),
        ("the same in one of 8 tabs, ms", f"median {statistics.median(crowd['tab']):.1f}"),
        ("frames a second of each of 12 programs beside 8 tabs and a job", spread(crowd["rates"], ".1f")),
        ("the same where somebody draws in all tabs", spread(crowd["drawing_rates"], ".1f")),
        ("a job alone, s", spread(jobs["alone"], ".1f")),
        ("beside 20 programs, s", spread(jobs["programs"], ".1f")),
        ("beside 12 programs and 8 tabs, s", spread(jobs["mixed"], ".1f")),
        ("where somebody draws in all tabs, which this machine paints, s", spread(jobs["drawing"], ".1f")),
    ]
    even = min(crowd["rates"]) / max(crowd["rates"])
    targets = [
        Target("first page within 3 s of the command", f"{max(starts):.2f} s", max(starts) < 3),
        Target(
            "first page interactive within 1.5 s",
            f"{statistics.median(first):.0f} ms",
            statistics.median(first) < 1500,
        ),
        Target("first view below 400 kB", f"{weight / 1000:,.0f} kB", weight < 400_000),
        Target("95 % of strokes repainted within 30 ms", f"{late:.1f} ms", late < 30),
        Target(
            "20 viewers degrade evenly: the slowest has half the frames of the fastest",
            f"{even:.2f}",
            even > 0.5,
        ),
        *(
            Target(
                f"a job beside {whom} takes at most 1.25 times as long",
                f"{longer[name]:.2f}",
                longer[name] <= 1.25,
            )
            for name, whom in (("programs", "20 programs"), ("mixed", "12 programs and 8 tabs"))
        ),
    ]
    about = (
        "Headless Chromium, the digit network that ships, strokes by real mouse events, 60 a second: every "
        "event counts until the last drawing on a canvas that the maps of its input caused. Page and server "
        "share the cores of one machine."
    )
    raw = {"starts": starts, "strokes": strokes, "first": first, "bytes": weight, "crowd": crowd}
    return Result("The lab", about, ("what", "found"), rows, raw, targets)
