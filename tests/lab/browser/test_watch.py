"""Watching a network in a browser: strokes, receptive fields, units, languages, keyboard, phones."""

import re
from base64 import b64decode
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.lab.browser.running import ONE, SEVEN, answer, expect, stroke, wait_for_answer

from convscope.graph import receptive_fields
from convscope.nets import describe, load
from convscope.worlds import digits

pytestmark = pytest.mark.slow
Open = Callable[..., Any]


def maps_of(page: Any, layer: str) -> Any:
    return page.locator(f"section[aria-labelledby='layer-{layer}'] .stage")


def pixels(page: Any, layer: str, overlay: bool = False) -> np.ndarray:
    """Read the canvas of a layer's maps, `[h w 4]`."""
    url = maps_of(page, layer).evaluate(
        "(stage, overlay) => stage.querySelectorAll('canvas')[overlay ? 1 : 0].toDataURL()", overlay
    )
    with Image.open(BytesIO(b64decode(url.split(",")[1]))) as picture:
        return np.asarray(picture.convert("RGBA"))


def test_strokes_are_answered_and_repaint_every_layer(open_page: Open) -> None:
    page = open_page("/")
    wait_for_answer(page, "7")  # the faint one that is there already
    names = [layer.name for layer in describe(load("digits")).graph.nodes]
    page.locator("#layer-dense2").wait_for()
    shown = page.locator("section.layer h3").all_inner_texts()
    assert shown == ["input", *names]
    before = {name: pixels(page, name) for name in ("conv1", "conv2")}
    assert all(np.unique(found.reshape(-1, 4), axis=0).shape[0] > 50 for found in before.values())
    stroke(page, ONE)
    wait_for_answer(page, "1")
    after = {name: pixels(page, name) for name in ("conv1", "conv2")}
    changed = {name: (before[name] != after[name]).any(-1).mean() for name in before}
    assert min(changed.values()) > 0.05, changed
    page.keyboard.press("c")
    stroke(page, SEVEN)
    wait_for_answer(page, "7")


def test_what_is_drawn_stays_while_the_page_asks_how_the_server_is(open_page: Open) -> None:
    page = open_page("/")
    wait_for_answer(page, "7")
    stroke(page, ONE)
    wait_for_answer(page, "1")
    drawn = page.locator(".pad canvas").evaluate("pad => pad.toDataURL()")
    with page.expect_response(lambda response: response.url.endswith("/api/v1/status"), timeout=30_000):
        pass
    page.context.set_offline(True)  # and after it was away
    page.locator("header .state.offline").wait_for(timeout=30_000)
    page.context.set_offline(False)
    page.locator("header .state.ready").wait_for(timeout=30_000)
    page.wait_for_timeout(500)
    assert page.locator(".pad canvas").evaluate("pad => pad.toDataURL()") == drawn
    assert answer(page) == "1"


def test_pointing_at_a_map_lights_its_receptive_field_in_the_input(open_page: Open) -> None:
    page = open_page("/")
    wait_for_answer(page, "7")
    stage = maps_of(page, "conv2")
    box = stage.bounding_box()
    page.mouse.move(box["x"] + 0.31 * box["width"], box["y"] + 0.22 * box["height"])
    page.locator(".readout", has_text="conv2").wait_for()
    words = page.locator(".readout").inner_text()
    row, column = map(int, re.findall(r"row (\d+), column (\d+)", words)[0])
    assert "depends on 8×8 pixels" in words
    lit = pixels(page, "input", overlay=True)
    glow = np.array(page.evaluate("getComputedStyle(document.body).getPropertyValue('--glow')").strip()[1:])
    red, green, blue = (int(str(glow)[at : at + 2], 16) for at in (0, 2, 4))
    edge = (np.abs(lit[..., :3].astype(int) - (red, green, blue)).sum(-1) < 24) & (lit[..., 3] > 200)
    ys, xs = np.nonzero(edge)
    found = [[low, high + 1] for low, high in ((ys.min(), ys.max()), (xs.min(), xs.max()))]  # of the canvas
    scale = lit.shape[0] / 28
    expected = receptive_fields(describe(load("digits")).graph)["conv2"].box((row, column))
    assert np.abs(np.array(found) / scale - np.array(expected)).max() < 0.75
    marked = page.locator("section.layer.lit h3").all_inner_texts()
    assert marked == ["input", "conv1", "relu1", "pool1"]


def test_a_unit_has_an_address_and_its_numbers_add_up(open_page: Open) -> None:
    page = open_page("/")
    wait_for_answer(page, "7")
    box = maps_of(page, "conv2").bounding_box()
    page.mouse.click(box["x"] + 5, box["y"] + 5)
    page.wait_for_url(re.compile(r"/m/digits/conv2/0\?at="))
    sums = page.locator("p.sum b")
    sums.first.wait_for()
    total, bias, value = (float(text.replace("−", "-")) for text in sums.all_inner_texts()[:3])
    sign = -1 if "−" in page.locator("p.sum > .sign").first.inner_text() else 1
    assert abs(total + sign * bias - value) < 0.02
    exact = load("digits").module.state_dict()["conv2.bias"][0]
    assert abs(sign * bias - float(exact)) < 0.01
    page.keyboard.press("]")
    page.wait_for_url("**/m/digits/conv2/1")
    page.keyboard.press("Escape")
    page.wait_for_url("**/m/digits")
    page.locator("#layer-conv1").wait_for()


def test_the_kernel_steps_by_itself_and_waits_where_one_points(open_page: Open) -> None:
    page = open_page("/m/digits/conv2/7")
    where = page.locator(".controls .where")
    where.wait_for()
    first = where.inner_text()
    where.filter(has_not_text=first).wait_for()
    page.locator(".flow canvas").last.hover()
    page.get_by_role("button", name="Play").wait_for()
    expect(where).to_have_text("row 5, column 5")
    page.locator("h1").hover()
    page.keyboard.press("ArrowRight")
    expect(where).to_have_text("row 5, column 6")
    page.keyboard.press("ArrowDown")
    expect(where).to_have_text("row 6, column 6")
    page.keyboard.press(" ")
    page.get_by_role("button", name="Pause").wait_for()


def test_the_strongest_inputs_are_found_and_can_be_put_in(open_page: Open) -> None:
    page = open_page("/m/digits/conv2/7")
    patches = page.locator("button.patch")
    patches.first.wait_for(timeout=120_000)
    values = [float(text) for text in page.locator("button.patch .number").all_inner_texts()]
    assert len(values) == 9
    assert values == sorted(values, reverse=True)
    patches.first.click()
    page.get_by_text("100% of the strongest example").wait_for()
    page.locator(".card img[alt='Feature visualization']").wait_for()


def test_a_steered_unit_changes_the_answer_beside_the_unsteered_one(open_page: Open) -> None:
    page = open_page("/m/digits/relu3/0")
    wait_for_answer(page, "7")
    expect(page.locator(".bar.steered")).to_have_count(0)
    page.get_by_role("button", name="Off (0)").click()
    page.locator(".bar.steered").first.wait_for()
    expect(page.locator(".bar.steered")).to_have_count(10)
    page.get_by_text(re.compile("The answer (stays|changes from) 7")).wait_for()
    page.get_by_role("button", name="As it is (1)").click()
    page.locator(".bar.steered").first.wait_for(state="detached")


def test_a_frame_for_another_page_shows_the_parts_that_are_wanted(open_page: Open) -> None:
    page = open_page("/m/digits/conv2/7?embed=true&steer=false&top=false")
    page.locator("#kernel-title").wait_for()
    expect(page.locator("header")).to_have_count(0)
    expect(page.locator("#steer-title")).to_have_count(0)
    expect(page.locator("#top-title")).to_have_count(0)
    page = open_page("/m/digits/conv2/7?embed=true&kernel=false&test=false&link=false&top=false")
    page.locator("#steer-title").wait_for()
    expect(page.locator("#kernel-title")).to_have_count(0)
    expect(page.get_by_text("Copy link")).to_have_count(0)
    assert not page.locator("aside").is_visible()


def test_both_languages_by_browser_address_and_switch(open_page: Open) -> None:
    page = open_page("/", locale="zh-CN")
    page.get_by_role("link", name="观察", exact=True).wait_for()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.goto(page.url + "?lang=en")
    page.get_by_role("link", name="Watch", exact=True).wait_for()
    page.get_by_role("button", name="中文").click()
    page.get_by_role("link", name="观察", exact=True).wait_for()
    page.goto(page.url.split("?")[0])
    page.get_by_role("link", name="观察", exact=True).wait_for()


def settled(page: Any, layer: str) -> Any:
    """The pixels of a layer's first map once they stay: the last frame may be on its way."""
    found = pixels(page, layer)
    for _ in range(100):
        page.wait_for_timeout(400)
        before, found = found, pixels(page, layer)
        if (found == before).all():
            return found
    raise AssertionError(f"{layer} never rests")


def test_the_keyboard_alone_reaches_units_and_their_values(open_page: Open) -> None:
    page = open_page("/")
    wait_for_answer(page, "7")
    page.keyboard.press("?")
    page.get_by_role("dialog").get_by_text("next colour scale").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    page.keyboard.press("s")
    page.locator("button[aria-pressed=true]", has_text="whole network").wait_for()
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('aria-label')?.startsWith('conv1: 25 maps')"):
            break
    expect(page.locator(".readout")).to_contain_text("conv1 · map 0 · row 13, column 13")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator(".readout")).to_contain_text("conv1 · map 1 · row 14, column 13")
    page.keyboard.press("Enter")
    page.wait_for_url("**/m/digits/conv1/1?at=14,13")


def test_the_keyboard_alone_draws_a_digit(open_page: Open) -> None:
    page = open_page("/")
    wait_for_answer(page, "7")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('.pad') !== null"):
            break
    said = page.locator(".pad [aria-live]")
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    expect(said).to_have_text("row 4, column 14")
    assert answer(page) == "7"  # nothing is drawn while the pen is up
    page.keyboard.press("Space")
    expect(said).to_have_text("Pen down at row 4, column 14")
    for _ in range(19):
        page.keyboard.press("ArrowDown")
    expect(said).to_have_text("drawing, row 23, column 14")
    wait_for_answer(page, "1")
    page.keyboard.press("Enter")
    expect(said).to_have_text("Pen up at row 23, column 14")
    drawn = settled(page, "input")
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(200)
    assert (pixels(page, "input") == drawn).all()
    page.keyboard.press("Backspace")
    expect(said).to_have_text("The pad is empty")
    page.wait_for_timeout(300)
    assert np.unique(pixels(page, "input").reshape(-1, 4), axis=0).shape[0] == 1
    page.keyboard.press("Shift+ArrowUp")
    expect(said).to_have_text("row 19, column 13")
    page.keyboard.press("Space")  # two arrows at a time slant the stroke
    page.keyboard.down("ArrowUp")
    page.keyboard.press("ArrowRight")
    expect(said).to_have_text("drawing, row 17, column 14")
    page.keyboard.up("ArrowUp")
    page.keyboard.press("Tab")
    expect(page.locator(".pad .pen")).to_have_count(0)


def test_a_picture_of_a_digit_is_opened(open_page: Open, tmp_path: Path) -> None:
    data = digits.test()
    index = next(i for i in range(100) if int(data.labels[i]) == 4)
    picture = 255 - (data.pixels([index])[0, 0].numpy()).astype(np.uint8)
    Image.fromarray(picture).resize((112, 112)).save(tmp_path / "four.png")
    page = open_page("/")
    wait_for_answer(page, "7")
    page.locator("input[type=file]").set_input_files(tmp_path / "four.png")
    wait_for_answer(page, "4")


def test_other_networks_take_their_own_inputs(open_page: Open, tmp_path: Path) -> None:
    page = open_page("/")
    wait_for_answer(page, "7")
    page.get_by_label("Choose a network").select_option("questions")
    page.wait_for_url("**/m/questions")
    text = page.get_by_label("Text")
    wait_for_answer(page, "question")
    text.fill("今天下雨了。")
    wait_for_answer(page, "statement")
    text.fill("什么是卷积？")
    wait_for_answer(page, "question")
    page.get_by_label("Choose a network").select_option("efficientnet_lite0")
    page.get_by_text("Drop a photograph").wait_for(timeout=120_000)
    Image.effect_mandelbrot((320, 240), (-2, -1, 1, 1), 50).convert("RGB").save(tmp_path / "picture.png")
    page.locator("input[type=file]").set_input_files(tmp_path / "picture.png")
    page.locator(".answers.long").wait_for(timeout=120_000)
    expect(page.locator(".answers .name")).to_have_count(8)


def test_a_digit_drawn_in_a_corner_is_centred(open_page: Open) -> None:
    page = open_page("/")
    wait_for_answer(page, "7")
    stroke(page, [(0.66 * x, 0.66 * y) for x, y in SEVEN])
    wait_for_answer(page, "7")
    ink = 255.0 - pixels(page, "input")[..., :3].astype(float).mean(-1)
    ink -= ink.min()
    for axis in (0, 1):
        profile = ink.sum(1 - axis)
        middle = (profile * np.arange(len(profile))).sum() / profile.sum() / len(profile)
        assert abs(middle - 0.5) < 0.04
