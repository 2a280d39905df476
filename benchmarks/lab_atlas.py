"""The atlas of the lab in headless Chromium: frames a second while 10,000 thumbnails are moved and zoomed.

    python -m benchmarks lab_atlas

Real events of mouse and wheel, 60 a second, on the page that `convscope lab` serves; beside it the loop that
everybody writes, `drawImage` of each thumbnail in view. Needs Debian's Chromium and Playwright.
"""

import json
import statistics
import time
from typing import Any

import numpy as np

from benchmarks.lab import CHROMIUM, FLAGS, HERTZ, QUICK, Lab, asked, lab
from benchmarks.result import Result, Target

NEEDS = ()
SECONDS = 2.0 if QUICK else 6.0
"""Of each movement."""
SETTINGS = {"net": "digits", "layer": "relu3", "data": "digits", "layout": "pca"}
FAST = 50.0
"""Frames a second that are promised."""
WATCH = """
(() => {
  const seen = { frames: [], painted: false, running: false, drawn: [] };
  window.measured = seen;
  const put = CanvasRenderingContext2D.prototype.putImageData;
  CanvasRenderingContext2D.prototype.putImageData = function (...given) {
    seen.painted = true;
    return put.apply(this, given);
  };
  const count = () => document.querySelector('[data-drawn]')?.dataset.drawn;
  const tick = (now) => {
    if (!seen.running) return;
    seen.frames.push([now, seen.painted]);
    seen.drawn.push(Number(count()));
    seen.painted = false;
    requestAnimationFrame(tick);
  };
  seen.begin = () => {
    [seen.frames, seen.drawn, seen.running] = [[], [], true];
    requestAnimationFrame(tick);
  };
  seen.end = () => {
    seen.running = false;
    return [seen.frames, seen.drawn];
  };
})();
"""
"""Notes every frame of the browser, whether the map was painted in it, and with how many thumbnails."""
USUAL = """
async ([width, height, seconds]) => {
  const [count, columns, rows, side] = [10000, 116, 87, 28];
  const canvas = document.body.appendChild(document.createElement('canvas'));
  Object.assign(canvas, { width, height });
  const context = canvas.getContext('2d');
  const sheet = Object.assign(document.createElement('canvas'), { width: 100 * side, height: 100 * side });
  const ink = sheet.getContext('2d');
  for (let index = 0; index < count; index++) {
    ink.beginPath();
    ink.arc(((index % 100) + 0.5) * side, (Math.floor(index / 100) + 0.5) * side, side / 3, 0, 5);
    ink.stroke();
  }
  const cell = Math.min(width / columns, height / rows);
  const draw = (zoom, dx, dy) => {
    context.clearRect(0, 0, width, height);
    const size = cell * zoom;
    for (let index = 0; index < count; index++) {
      const x = ((index % columns) - columns / 2) * size + width / 2 + dx;
      const y = (Math.floor(index / columns) - rows / 2) * size + height / 2 + dy;
      if (x < -size || y < -size || x > width || y > height) continue;
      const at = [(index % 100) * side, Math.floor(index / 100) * side];
      context.drawImage(sheet, ...at, side, side, x, y, size, size);
    }
  };
  const run = async (move) => {
    const frames = [];
    const began = performance.now();
    for (;;) {
      const now = await new Promise(requestAnimationFrame);
      frames.push([now, true]);
      const t = (now - began) / 1000;
      if (t > seconds) return frames;
      move(t);
    }
  };
  return {
    pan: await run((t) => draw(1, 120 * Math.sin(3 * t), 80 * Math.cos(3 * t))),
    zoom: await run((t) => draw(16 ** (0.5 - 0.5 * Math.cos((2 * Math.PI * t) / seconds)), 0, 0)),
  };
}
"""
"""The loop that everybody writes: one `drawImage` for each thumbnail in view, driven by the clock alone."""


def run() -> Result:
    from playwright.sync_api import sync_playwright

    with lab() as server, sync_playwright() as playwright:
        job, seconds = embedded(server)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.add_init_script(WATCH)
        page = context.new_page()
        page.goto(server.link)
        opened = shown(page, f"{server.url}/atlas?job={job}")
        moves = {arrangement: moved(page, arrangement) for arrangement in ("PCA", "grid")}
        box = page.get_by_role("application").bounding_box()
        page.close()
        usual = browser.new_page().evaluate(USUAL, [round(box["width"]), round(box["height"]), SECONDS])
        browser.close()
    return report(seconds, opened, moves, usual)


def embedded(server: Lab) -> tuple[str, float]:
    """Embed the 10,000 digits; return the job and its seconds."""
    job = json.loads(asked(server.url, "/api/v1/jobs", {"verb": "embed", "settings": SETTINGS}))["id"]
    while True:
        found = json.loads(asked(server.url, f"/api/v1/jobs/{job}"))
        if found["state"] not in ("queued", "running"):
            if found["state"] != "done":
                raise RuntimeError(f"the job has not ended well: {found['error']}")
            return job, found["ended"] - found["started"]
        time.sleep(0.1)


def shown(page: Any, url: str) -> float:
    """Open the atlas; return the milliseconds until the map was painted with thumbnails."""
    began = time.perf_counter()
    page.goto(url)
    page.locator("[data-drawn]").wait_for(timeout=60_000)
    while not page.evaluate(
        "measured.painted && Number(document.querySelector('[data-drawn]').dataset.drawn)"
    ):
        page.wait_for_timeout(10)
    found = 1000 * (time.perf_counter() - began)
    page.wait_for_load_state("networkidle")
    return found


def moved(page: Any, arrangement: str) -> dict[str, Any]:
    """Pan and zoom the map in an arrangement; return the frames of each movement."""
    page.get_by_role("button", name=arrangement, exact=True).click()
    page.wait_for_timeout(1500)
    box = page.get_by_role("application").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    found: dict[str, Any] = {}
    for zoom in ("all in view", "zoomed in"):
        page.mouse.down()
        began = time.perf_counter()
        page.evaluate("measured.begin()")
        while (passed := time.perf_counter() - began) < SECONDS:
            turn = 3 * passed
            page.mouse.move(middle[0] + 120 * np.sin(turn), middle[1] + 80 * (np.cos(turn) - 1))
            rest(began)
        found[f"pan, {zoom}"] = page.evaluate("measured.end()")
        page.mouse.move(*middle)
        page.mouse.up()
        page.wait_for_timeout(400)
        if zoom == "all in view":
            found["zoom in and out"] = wheeled(page)
            page.keyboard.press("0")
            for _ in range(4):
                page.keyboard.press("+")
            page.wait_for_timeout(1000)
    page.keyboard.press("0")
    page.wait_for_timeout(800)
    return found


def wheeled(page: Any) -> Any:
    """Turn the wheel in, then out again."""
    page.evaluate("measured.begin()")
    began = time.perf_counter()
    while (passed := time.perf_counter() - began) < SECONDS:
        page.mouse.wheel(0, -24 if passed < SECONDS / 2 else 24)
        rest(began)
    return page.evaluate("measured.end()")


def rest(began: float) -> None:
    """Wait until the next event is due."""
    passed = time.perf_counter() - began
    time.sleep(max(0.0, (int(passed * HERTZ) + 1) / HERTZ - passed))


def rates(frames: list[list[Any]]) -> np.ndarray:
    """Return the frames a second at every frame, without the first two."""
    times = np.array([at for at, _ in frames])[2:]
    return 1000 / np.diff(times)


def row(name: str, frames: list[list[Any]], drawn: list[int] | None) -> tuple[str, ...]:
    """Return a line of the table."""
    found = rates(frames)
    painted = statistics.mean(was for _, was in frames)
    return (
        name,
        f"{np.median(found):.0f}",
        f"{np.percentile(found, 5):.0f}",
        f"{1000 / found.min():.0f}",
        f"{painted:.0%}" if drawn else "100%",
        f"{statistics.median(drawn):,.0f}" if drawn else "",
    )


def report(seconds: float, opened: float, moves: dict[str, Any], usual: dict[str, Any]) -> Result:
    """Lay out what was found."""
    rows, targets = [], []
    for arrangement, found in moves.items():
        for name, (frames, drawn) in found.items():
            rows.append(row(f"{arrangement}: {name}", frames, drawn))
            slow = float(np.percentile(rates(frames), 5))
            targets.append(
                Target(
                    f"{arrangement}, {name}: {FAST:.0f} frames a second in 95 % of the frames",
                    f"{slow:.0f}",
                    slow >= FAST,
                )
            )
    rows += [row(f"drawImage of each in view, grid: {name}", frames, None) for name, frames in usual.items()]
    rows.append(("from opening the page to the map, ms", f"{opened:,.0f}", "", "", "", ""))
    rows.append(("the job that places and draws 10,000 inputs, s", f"{seconds:.1f}", "", "", "", ""))
    about = (
        "Headless Chromium without a GPU, a canvas of 890x700 pixels, the 10,000 digits that ship. Frames a "
        "second are the reciprocal of the time between two frames of the browser, which makes 60 at most; "
        "`painted` is the share of frames in which the map was drawn anew. Page, server and what moves the "
        "mouse share the cores of one machine. The last two movements are the loop that everybody writes."
    )
    head = (
        "",
        "frames/s, median",
        "frames/s, p5",
        "longest frame, ms",
        "painted",
        "thumbnails drawn, median",
    )
    raw = {"seconds": seconds, "opened": opened, "moves": moves, "usual": usual}
    return Result("The atlas of 10,000 thumbnails", about, head, rows, raw, targets)
