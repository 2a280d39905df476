"""Networks of many layers in the live view: all are listed, those in view are drawn and sent."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.lab.browser.running import expect, serious

from convscope.graph import receptive_fields
from convscope.lab.live.networks import watchable
from convscope.nets import describe, load, record
from convscope.worlds import open_sample

pytestmark = pytest.mark.slow
Open = Callable[..., Any]
NET = "efficientnet_lite0"
LOADED = 240_000


@pytest.fixture(scope="module")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photograph") / "fractal.png"
    Image.effect_mandelbrot((320, 240), (-2, -1, 1, 1), 50).convert("RGB").save(path)
    return path


def opened(open_page: Open, photograph: Path, path: str = f"/m/{NET}", **options: Any) -> Any:
    page = open_page(path, **options)
    page.get_by_text("Drop a photograph").wait_for(timeout=LOADED)
    page.locator("input[type=file]").set_input_files(photograph)
    page.locator("section.layer").first.wait_for(timeout=LOADED)
    return page


def headings(page: Any) -> list[str]:
    return page.locator("section.layer h3").all_inner_texts()


def range_of(page: Any, layer: str) -> list[float]:
    """Return lowest and highest value of a layer as the page says them, as soon as its maps are there."""
    said = page.locator(f"section[aria-labelledby='layer-{layer}'] .range")
    said.filter(has_text=re.compile(r"\d")).wait_for()
    return [float(text.replace("−", "-")) for text in re.findall(r"[−-]?[\d.]+", said.inner_text())]


def overlapping(page: Any) -> list[float]:
    """Return by how much rows reach into the next ones in a frame that is shown, in pixels."""
    edges = page.locator("section.layer").evaluate_all(
        """all => new Promise(done => requestAnimationFrame(() => setTimeout(() => done(
        all.filter(one => one.isConnected).map(one => one.getBoundingClientRect())
        .map(({top, bottom}) => [top, bottom])))))"""
    )
    return [above[1] - below[0] for above, below in pairwise(edges) if above[1] > below[0] + 1]


def scroll_to(page: Any, layer: str) -> Any:
    """Scroll until a layer is in the page, as a hand does."""
    stage = page.locator(f"section[aria-labelledby='layer-{layer}'] .stage")
    for _ in range(200):
        if stage.count():
            break
        page.mouse.wheel(0, 500)
        page.wait_for_timeout(30)
    stage.scroll_into_view_if_needed()
    return stage


def test_every_layer_is_listed_and_only_those_in_view_are_drawn_and_sent(
    open_page: Open, photograph: Path
) -> None:
    frames: list[int] = []
    page = open_page(f"/m/{NET}")
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(len(data))))
    page.reload()
    page.get_by_text("Drop a photograph").wait_for(timeout=LOADED)
    page.locator("input[type=file]").set_input_files(photograph)
    page.locator("section.layer").first.wait_for(timeout=LOADED)
    names = [layer.name for layer in watchable(load(NET))]
    assert len(names) > 85
    page.get_by_text(f"{len(names)} of {len(names)} layers").wait_for()
    assert headings(page)[:3] == names[:3] and len(headings(page)) < 15
    seen: list[str] = []
    net = load(NET)
    image = open_sample(photograph, net.input_spec).input
    bottom = page.evaluate("document.documentElement.scrollHeight")
    for _ in range(300):
        seen += [name for name in headings(page) if name not in seen]
        assert len(headings(page)) < 30
        if page.evaluate("scrollY + innerHeight") >= bottom - 4:
            break
        page.mouse.wheel(0, 600)
        page.wait_for_timeout(60)
    assert seen == names
    last = names[-1]
    (exact,) = record(net, image[None], [last]).values()
    assert range_of(page, last) == pytest.approx([float(exact.min()), float(exact.max())], abs=0.06)
    everything = sum(int(np.prod(layer.shape)) for layer in watchable(net))
    assert max(frames) < everything  # a frame of all layers would have a byte for each value
    page.get_by_label("Layers: name, kind or shape").fill("conv_dw")
    wanted = [layer.name for layer in watchable(net) if "conv_dw" in layer.name]
    page.get_by_text(f"{len(wanted)} of {len(names)} layers").wait_for()
    assert headings(page)[:2] == wanted[:2]


def test_pointing_lights_the_receptive_field_of_a_layer_far_down(open_page: Open, photograph: Path) -> None:
    page = opened(open_page, photograph)
    net = load(NET)
    name = "blocks.2.0.bn1.act"
    stage = scroll_to(page, name)
    low, high = range_of(page, name)
    image = open_sample(photograph, net.input_spec).input
    exact = next(iter(record(net, image[None], [name]).values()))[0]
    assert (low, high) == pytest.approx((float(exact.min()), float(exact.max())), abs=0.06)
    stage.focus()
    page.keyboard.press("ArrowRight")
    page.locator(".readout", has_text=name).wait_for()
    words = page.locator(".readout").inner_text()
    unit, row, column = map(int, re.findall(r"map (\d+) · row (\d+), column (\d+)", words)[0])
    value = float(page.locator(".readout .value").inner_text().replace("−", "-"))
    assert value == pytest.approx(float(exact[unit, row, column]), abs=0.06)
    field = receptive_fields(describe(net).graph)[name]
    assert "×".join(map(str, field.size)) in words
    lit = page.locator("section.layer.lit h3").all_inner_texts()
    shown = headings(page)
    before = [one for one in shown[: shown.index(name)] if one.startswith("blocks")]
    assert lit == before != []


def test_the_keyboard_goes_from_layer_to_layer_beyond_what_is_in_view(
    open_page: Open, photograph: Path
) -> None:
    page = opened(open_page, photograph)
    names = [layer.name for layer in watchable(load(NET))]
    page.locator("section.layer .stage").first.focus()
    reached = []
    for _ in range(60):
        label = page.evaluate("document.activeElement.getAttribute('aria-label') ?? ''")
        if re.match(r"[\w.]+: \d+ (maps|units)", label):
            reached.append(label.split(":")[0])
        if len(reached) == 12:
            break
        page.keyboard.press("Tab")
        page.wait_for_timeout(30)
    assert reached == names[:12]


def test_two_big_networks_are_compared_layer_by_layer(open_page: Open, photograph: Path) -> None:
    page = opened(open_page, photograph, f"/m/{NET}?with=resnet20")
    page.locator(".columns .stage").first.wait_for()
    assert len(headings(page)) < 30
    page = opened(open_page, photograph, f"/m/{NET}?with={NET}")
    first = page.locator("section.layer .caption", has_text="none").first
    first.wait_for()
    page.mouse.wheel(0, 6000)
    page.wait_for_timeout(500)
    page.locator("section.layer .caption", has_text="none").first.wait_for()


def test_all_maps_of_a_layer_can_be_drawn_and_the_rows_below_make_room(
    open_page: Open, photograph: Path
) -> None:
    page = opened(open_page, photograph)
    # 144 maps instead of 128 may make the tiles smaller and the row lower; four times as many do not.
    layer = next(layer for layer in watchable(load(NET)) if len(layer.shape) == 3 and layer.shape[0] > 512)
    scroll_to(page, layer.name)
    section = page.locator(f"section[aria-labelledby='layer-{layer.name}']")
    before = section.bounding_box()["height"]
    section.get_by_role("button", name="All").click()
    section.get_by_role("button", name="Fewer").wait_for()
    assert section.bounding_box()["height"] > before
    assert not overlapping(page)


@pytest.mark.parametrize("width", [390, 700, 1280])
def test_rows_do_not_overlap_at_any_width(open_page: Open, photograph: Path, width: int) -> None:
    page = opened(open_page, photograph, viewport={"width": width, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for _ in range(12):
        page.mouse.wheel(0, 900)
        page.wait_for_timeout(60)
        assert not overlapping(page)
    assert not serious(page)


def test_frames_without_maps_have_the_answer(open_page: Open, photograph: Path) -> None:
    page = opened(open_page, photograph)
    net = load(NET)
    with torch.no_grad():
        found = net(open_sample(photograph, net.input_spec).input[None]).softmax(1)[0]
    expect(page.locator(".answers .name.best")).to_have_text(net.classes[int(found.argmax())])
