"""The atlas in the page: 10,000 digits are placed, moved, zoomed, filtered, picked and opened."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.lab.browser.running import expect, serious, until

pytestmark = pytest.mark.slow
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def atlas(lab: Any, browser: Any, cookies: Any) -> str:
    """The id of a job that has embedded all digits, begun by opening the page; without UMAP it is fast."""
    context = browser.new_context(storage_state=cookies, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(lab.base + "/atlas")
    page.wait_for_url("**/atlas?job=*")  # the first one is made of what ships, without a question
    stop, shown = page.get_by_role("button", name="Stop"), page.get_by_role("application")
    stop.or_(shown).first.wait_for(timeout=120_000)  # an earlier test may have opened it: then it may be done
    if stop.count() and not shown.count():
        stop.click()
    page.get_by_text("Network, layer and data").click()
    page.get_by_label("Layout").select_option("pca")
    page.get_by_role("button", name="Make this atlas").click()
    before = page.url
    for _ in range(600):
        if page.url != before and page.get_by_role("application").count():
            break
        page.wait_for_timeout(200)
    found = page.url.rpartition("job=")[2]
    context.close()
    return found


def look(open_page: Open, atlas: str, **options: Any) -> Any:
    page = open_page(f"/atlas?job={atlas}", **options)
    page.get_by_role("application").wait_for(timeout=60_000)
    until(page, lambda: drawn(page) > 1000 if "viewport" not in options else drawn(page) > 0)
    return page


def drawn(page: Any) -> int:
    """How many thumbnails are on the map; told a moment after it came to rest."""
    page.wait_for_timeout(500)
    return int(page.get_by_role("application").get_attribute("data-drawn"))


def middle(page: Any) -> tuple[float, float]:
    box = page.get_by_role("application").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def answers(page: Any, path: str) -> Any:
    """Ask the server with the page's cookie."""
    return json.loads(page.evaluate("path => fetch(path).then(answer => answer.text())", path))


def test_ten_thousand_are_zoomed_and_one_is_picked_and_watched(open_page: Open, atlas: str) -> None:
    page = look(open_page, atlas)
    page.get_by_text("10,000 inputs of digits by relu3 of digits.").wait_for()
    page.get_by_role("button", name="grid", exact=True).click()
    until(page, lambda: drawn(page) == 10_000)
    page.mouse.move(*middle(page))
    for _ in range(12):
        page.mouse.wheel(0, -140)
        page.wait_for_timeout(40)
    until(page, lambda: drawn(page) < 200)
    card = page.locator(".card", has_text="Prediction")
    card.wait_for()  # the pointer is on a thumbnail
    page.mouse.click(*middle(page))
    number = int(card.get_by_text("Input ").inner_text().split()[1])
    wanted = card.locator("dd").nth(1).inner_text().split()[0]
    page.mouse.move(5, 5)
    assert int(card.get_by_text("Input ").inner_text().split()[1]) == number  # it stays: it is chosen
    card.locator("img").wait_for()
    until(page, lambda: page.evaluate("document.querySelector('.card img').naturalWidth") == 28)
    card.get_by_role("button", name="Watch it").click()
    page.wait_for_url("**/m/digits?file=*")
    found = answers(page, "/api/v1/uploads/" + page.url.split("file=")[1].split("&")[0])
    assert found["name"] == f"input-{number}.png"
    until(page, lambda: page.locator(".answers .name.best").inner_text() == wanted)


def test_dragging_moves_the_map_and_buttons_and_keys_zoom_it(open_page: Open, atlas: str) -> None:
    page = look(open_page, atlas)
    whole = drawn(page)
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Zoom in").click()
    close = drawn(page)
    assert close < whole
    x, y = middle(page)
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 20):
        page.mouse.move(x + 60 * step, y + 40 * step)
    page.mouse.up()
    assert drawn(page) < close  # its corner is in the middle now
    page.keyboard.press("0")
    until(page, lambda: drawn(page) == whole)
    page.keyboard.press("+")
    until(page, lambda: drawn(page) != whole)
    page.keyboard.press("-")
    until(page, lambda: drawn(page) == whole)


def test_classes_and_mistakes_are_filtered_and_listed(open_page: Open, atlas: str) -> None:
    page = look(open_page, atlas)
    page.get_by_role("button", name="7 1,070 inputs").click()
    page.get_by_text("Inputs that are shown, 1,070").wait_for()
    page.get_by_label("Mistakes only").check()
    page.get_by_text("The same as a list").click()
    rows = page.locator("details li button")
    rows.first.wait_for()
    texts = rows.all_inner_texts()
    assert texts and all("wrong" in text and "predicted 7" not in text for text in texts)
    rows.first.click()
    said = page.locator("p[role=status].spoken")
    until(page, lambda: "class 7, predicted" in said.inner_text())
    page.get_by_role("button", name="All classes").click()
    listed = page.locator("details summary").first.inner_text()
    assert int(listed.rpartition(" ")[2]) == sum(
        entry["count"] - entry["right"]
        for entry in answers(page, f"/api/v1/jobs/{atlas}")["document"]["classes"]
    )
    page.get_by_label("Colour").select_option("unit")
    page.get_by_label("Unit relu3:").wait_for()
    page.locator(".ramp").wait_for()


def test_the_keyboard_alone_chooses_and_opens(open_page: Open, atlas: str) -> None:
    page = look(open_page, atlas)
    page.get_by_role("application").focus()
    page.keyboard.press("Shift+ArrowRight")
    said = page.locator("p[role=status].spoken")
    until(page, lambda: said.inner_text().startswith("Input "))
    first = said.inner_text()
    page.keyboard.press("Shift+ArrowRight")
    until(page, lambda: said.inner_text() not in ("", first))
    page.keyboard.press("Escape")
    until(page, lambda: said.inner_text() == "")
    page.keyboard.press("Shift+ArrowUp")
    until(page, lambda: said.inner_text() != "")
    page.keyboard.press("Enter")
    page.wait_for_url("**/m/digits?file=*")


def test_an_input_is_handed_to_explain(open_page: Open, atlas: str) -> None:
    page = look(open_page, atlas)
    page.get_by_role("application").focus()
    page.keyboard.press("Shift+ArrowRight")
    page.get_by_role("button", name="Explain it").click()
    page.wait_for_url("**/explain?*file=*")
    page.get_by_text("input-").first.wait_for()
    expect(page.locator("#field-net")).to_have_value("digits")


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_it_fits_a_phone_and_a_tap_chooses(open_page: Open, atlas: str, locale: str) -> None:
    size = {"width": 390, "height": 844}
    page = look(open_page, atlas, viewport=size, has_touch=True, locale=locale)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("application").focus()
    page.keyboard.press("Shift+ArrowRight")
    page.locator("p[role=status].spoken").wait_for(state="attached")
    until(page, lambda: page.locator("p[role=status].spoken").inner_text() != "")
    text = page.locator("main").inner_text()
    assert any("\u4e00" <= letter <= "\u9fff" for letter in text) == (locale == "zh-CN")


def test_axe_finds_nothing_serious(open_page: Open, atlas: str) -> None:
    page = look(open_page, atlas)
    page.get_by_role("application").focus()
    page.keyboard.press("Shift+ArrowRight")
    page.wait_for_timeout(500)
    assert not serious(page)


def test_without_motion_the_map_is_at_its_place_at_once(open_page: Open, atlas: str) -> None:
    page = look(open_page, atlas, reduced_motion="reduce")
    page.get_by_role("button", name="grid", exact=True).click()
    page.wait_for_timeout(350)
    assert int(page.get_by_role("application").get_attribute("data-drawn")) == 10_000
