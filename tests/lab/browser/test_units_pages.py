"""Lists of units in a browser: all of a layer, some of them, by keyboard, in a frame."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.lab.browser.running import expect, serious, wait_for_answer

from convscope import see
from convscope.lab.live.inputs import bundled_dataset
from convscope.nets import load

pytestmark = pytest.mark.slow
Open = Callable[..., Any]


def tiles(page: Any) -> Any:
    return page.locator("main li .tile")


def shown_units(page: Any) -> list[int]:
    return [int(text) for text in page.locator("main li .tile .name strong").all_inner_texts()]


def test_a_layer_lists_its_units_with_the_values_of_an_index(open_page: Open) -> None:
    page = open_page("/")
    wait_for_answer(page, "7")
    page.get_by_role("link", name="conv2", exact=True).click()
    page.wait_for_url("**/m/digits/conv2")
    page.get_by_role("heading", name="conv2: 50 units").wait_for()
    page.locator(".tile .number").first.wait_for(timeout=120_000)
    assert shown_units(page) == list(range(50))
    net = load("digits")
    data = bundled_dataset(net.input_spec)
    assert data is not None
    parts = [data.inputs(range(at, min(at + 500, len(data)))) for at in range(0, len(data), 500)]
    high = torch.stack([see.activations(net, x, ["conv2"])["conv2"].amax((0, 2, 3)) for x in parts]).amax(0)
    said = [float(text.replace("−", "-")) for text in page.locator(".tile .number").all_inner_texts()]
    assert said == pytest.approx(high.tolist(), abs=0.006)
    page.get_by_role("button", name="largest value first").click()
    page.wait_for_url("**/m/digits/conv2?sort=max")
    assert shown_units(page) == high.argsort(descending=True, stable=True).tolist()
    dead = page.get_by_role("button", name=re.compile("^dead"))
    dead.wait_for()
    dead.click()
    page.wait_for_url(re.compile("mark=dead"))
    assert sorted(shown_units(page)) == (high <= 0).nonzero().flatten().tolist()
    tiles(page).first.click()
    page.wait_for_url(re.compile(r"/m/digits/conv2/\d+$"))
    page.get_by_role("navigation", name="Where this unit is").get_by_role("link", name="conv2").click()
    page.wait_for_url("**/m/digits/conv2")


def test_a_list_is_chosen_and_its_address_is_handed_on(open_page: Open) -> None:
    page = open_page("/m/digits/conv2")
    page.get_by_role("button", name="Choose units").click()
    for unit in (7, 1, 20, 1):
        page.locator(f"main li[aria-posinset='{unit + 1}'] button").click()
    expect(page.locator("button.tile[aria-pressed=true]")).to_have_count(2)
    page.get_by_role("button", name="Show these 2").click()
    page.wait_for_url("**/m/digits/conv2?units=7,20")
    page.get_by_role("heading", name="conv2: 2 of 50 units").wait_for()
    assert shown_units(page) == [7, 20]
    data = page.evaluate("fetch(document.querySelector('a[href*=\".json\"]').href).then(got => got.text())")
    assert [one["unit"] for one in json.loads(data)["units"]] == [7, 20]
    page = open_page("/m/digits/conv2?units=7,20")
    page.get_by_label("Units", exact=True).fill("3, 8-9")
    page.keyboard.press("Enter")
    page.wait_for_url("**/m/digits/conv2?units=3,8-9")
    page.locator(".tile", has_text="9").first.wait_for()
    assert shown_units(page) == [3, 8, 9]
    page.get_by_label("Units", exact=True).fill("3, 80")
    page.keyboard.press("Enter")
    page.get_by_role("alert").get_by_text("one of the units 0 to 49 of conv2").wait_for()


def test_the_keyboard_reaches_units_that_are_not_in_the_page_yet(open_page: Open) -> None:
    page = open_page("/m/digits/flatten")
    page.get_by_role("heading", name="flatten: 1250 units").wait_for()
    tiles(page).first.wait_for()
    assert tiles(page).count() < 300
    tiles(page).first.focus()
    page.keyboard.press("ArrowRight")
    focused = "document.activeElement.querySelector('.spoken').textContent"
    assert page.evaluate(focused).startswith("unit 1")
    page.keyboard.press("ArrowDown")
    columns = int(re.findall(r"unit (\d+)", page.evaluate(focused))[0]) - 1
    assert columns > 3
    page.keyboard.press("End")
    page.locator("li[aria-posinset='1250'] a:focus").wait_for()
    assert page.evaluate(focused).startswith("unit 1249")
    assert tiles(page).count() < 300
    page.keyboard.press("Enter")
    page.wait_for_url("**/m/digits/flatten/1249")


def test_visualizations_of_a_list_are_made_one_after_the_other(open_page: Open) -> None:
    page = open_page("/m/digits/conv2?units=7,8&picture=visualization")
    page.locator("li .picture img").nth(1).wait_for(timeout=120_000)
    sizes = page.evaluate("[...document.querySelectorAll('li .picture img')].map(one => one.naturalWidth)")
    assert sizes == [28, 28]


def test_a_frame_shows_the_list_alone_and_stays_a_frame(open_page: Open) -> None:
    page = open_page("/m/digits/conv2?units=7,8&embed=true")
    tiles(page).first.wait_for()
    expect(page.locator("header")).to_have_count(0)
    expect(page.get_by_text("Choose units")).to_have_count(0)
    expect(tiles(page).first).to_have_attribute("href", "/m/digits/conv2/7?embed=true")


@pytest.mark.parametrize("options", [{}, {"viewport": {"width": 390, "height": 844}, "is_mobile": True}])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_for_axe_and_no_sideways_scrolling(
    open_page: Open, options: dict[str, Any], scheme: str
) -> None:
    page = open_page("/m/digits/conv2", color_scheme=scheme, reduced_motion="reduce", **options)
    page.locator(".tile .number").first.wait_for(timeout=120_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    assert not serious(page)
