"""Everything that a user gets, tried on the wheel: each of the nine parts from end to end, on real data.

Both languages and the keyboard alone are tried at the end. `open_wheel` sees to it that no page raises an
error and that no request leaves the machine. Screenshots are kept where `CONVSCOPE_SCREENSHOTS` says.
"""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.lab.browser.running import (
    SEVEN,
    Lab,
    begin,
    drop,
    expect,
    handwritten_seven,
    stroke,
    until,
    wait_for_answer,
)
from tests.lab.browser.wheel import TOKEN

pytestmark = pytest.mark.slow
Open = Callable[..., Any]
Keep = Callable[..., None]
LOADED = "images => images.length > 0 && images.every(image => image.complete && image.naturalWidth > 0)"


def done(page: Any, seconds: int = 120) -> None:
    """Wait until the job of a page has ended well."""
    page.locator("section.out, main").first.get_by_text("done", exact=True).wait_for(timeout=1000 * seconds)


def all_loaded(page: Any, pictures: str) -> None:
    """Wait until all pictures of a selector are there and whole."""
    until(page, lambda: page.locator(pictures).evaluate_all(LOADED))


@pytest.fixture(scope="module")
def digit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return handwritten_seven(tmp_path_factory.mktemp("digit"))


def test_1_every_layer_is_watched_and_a_unit_is_understood(open_wheel: Open, keep: Keep) -> None:
    page = open_wheel("/")
    wait_for_answer(page, "7")
    page.keyboard.press("c")
    stroke(page, SEVEN)
    wait_for_answer(page, "7")
    for scale in ("each map", "whole network", "each layer"):
        page.get_by_role("button", name=scale, exact=True).click()
        expect(page.get_by_role("button", name=scale, exact=True)).to_have_attribute("aria-pressed", "true")
    stage = page.locator("section[aria-labelledby='layer-conv2'] .stage")
    stage.hover(position={"x": 20, "y": 20})
    page.locator(".readout").get_by_text("depends on 8×8 pixels of the input").wait_for()
    keep(page, "1-watch")
    stage.click(position={"x": 20, "y": 20})
    page.wait_for_url(re.compile(r"/m/digits/conv2/0\?at="))
    page.get_by_text("relu(b + Σ").wait_for()
    where = (
        page.locator("section", has_text="How it computes")
        .get_by_text(re.compile(r"row \d+, column \d+"))
        .last
    )
    page.get_by_role("button", name="Play", exact=True).click()
    first = where.inner_text()
    for _ in range(40):  # the kernel steps on by itself
        if where.inner_text() != first:
            break
        page.wait_for_timeout(50)
    assert where.inner_text() != first
    all_loaded(page, ".patch img")
    expect(page.locator(".patch")).to_have_count(9)
    page.get_by_role("link", name="As a film strip").wait_for(timeout=60_000)  # the visualization is done
    page.get_by_role("button", name="Off (0)").click()
    page.get_by_text(re.compile("The answer (stays|changes)")).wait_for()
    page.get_by_text("Show code").click()
    page.get_by_text("see.unit_terms(net").wait_for()
    keep(page, "1-unit")


def test_2_every_unit_has_an_address_data_and_a_frame(open_wheel: Open, keep: Keep) -> None:
    page = open_wheel("/m/digits/conv2/7")
    page.get_by_role("heading", name="conv2, unit 7").wait_for()
    href = page.get_by_role("link", name="Data (JSON)").get_attribute("href")
    assert href == "/m/digits/conv2/7.json"
    card = json.loads(page.evaluate("path => fetch(path).then(found => found.text())", href))
    assert card["address"] == "conv2:7" and card["kernel"]["shape"] == [25, 3, 3]
    frame = open_wheel("/m/digits/conv2/7?embed=true&steer=false&top=false")
    frame.get_by_role("heading", name="How it computes").wait_for()
    expect(frame.get_by_role("banner")).to_have_count(0)
    expect(frame.get_by_role("heading", name="Steer")).to_have_count(0)
    expect(frame.get_by_role("heading", name="Strongest real inputs")).to_have_count(0)
    keep(frame, "2-embedded")
    listed = open_wheel("/m/digits/conv2?units=7,20")
    listed.get_by_role("heading", name="conv2: 2 of 50 units").wait_for()
    all_loaded(listed, ".tile img")
    keep(listed, "2-list")


def test_3_a_network_is_built_as_text_and_mistakes_are_explained(open_wheel: Open, keep: Keep) -> None:
    page = open_wheel("/build")
    text = page.get_by_role("textbox", name="Text", exact=True)
    text.fill("conv 8 5x5, relu, maxpool 2, conv 9 40x40, dense 10")
    alert = page.get_by_role("alert")
    alert.wait_for()
    expect(alert).to_contain_text("Use a smaller kernel")
    expect(page.locator(".block.wrong input")).to_have_value("conv 9 40x40")
    keep(page, "3-wrong")
    text.fill("conv 8 5x5, relu, c1 = maxpool 2, conv 8 3x3 padding=1, add < c1 conv2, flatten, dense 10")
    until(page, "[...document.querySelectorAll('.edge .shape')].at(-1)?.innerText === '10'")
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_label("Search layers").fill("kernel=5x5")
    page.get_by_text("1 of", exact=False).first.wait_for()
    page.get_by_label("Compare with").fill("lecture-relu")
    page.get_by_label("Compare with").press("Tab")
    page.locator("tr.added").first.wait_for(timeout=60_000)
    keep(page, "3-compared")


def saved(folder: Path, epochs: int) -> Any:
    """Return the kernels of the first layer as a training saved them, after so many epochs at least."""
    from safetensors.torch import load_file

    for _ in range(1800):
        lines = folder / "metrics.jsonl"
        if lines.exists() and len(lines.read_text().splitlines()) >= epochs:
            return load_file(folder / "model.safetensors")["conv1.weight"].clone()
        time.sleep(0.05)
    raise AssertionError(f"{epochs} epochs in {folder}")


def test_4_digits_are_learned_to_95_percent_and_a_frozen_map_stays_bit_for_bit(
    open_wheel: Open, wheel_lab: Lab, keep: Keep
) -> None:
    page = open_wheel("/train")
    page.get_by_label("Epochs", exact=True).fill("3")
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_url("**/train?job=*")
    page.get_by_role("button", name="conv1:3, learning").click(timeout=180_000)
    page.get_by_role("button", name="Let conv1:3 learn again").wait_for()
    run = max(
        (p for p in wheel_lab.folder.iterdir() if (p / "recipe.toml").exists()),
        key=lambda p: p.stat().st_mtime,
    )
    metrics = run / "metrics.jsonl"
    frozen_in = len(metrics.read_text().splitlines()) + 1 if metrics.exists() else 1
    assert frozen_in < 3, "the map was frozen too late to compare two epochs"
    before = saved(run, frozen_in)
    page.reload()
    page.get_by_role("button", name="conv1:3, frozen").or_(
        page.get_by_text("done", exact=True)
    ).first.wait_for()
    done(page, 240)
    moved = (saved(run, 3) - before).flatten(1).abs().amax(1)
    assert moved[3] == 0 and (moved > 0).sum() == len(moved) - 1
    assert float(page.locator("[data-testid=score] strong").inner_text().rstrip("%")) >= 95
    page.locator("td button:not(.diagonal):not(.none)").first.click()
    page.locator("[data-testid=sample]").first.wait_for()
    all_loaded(page, "[data-testid=sample] img")
    keep(page, "4-trained")
    page.get_by_role("link", name="Watch this network").click()
    page.wait_for_url("**/m/run*")
    wait_for_answer(page, "7")


@pytest.fixture(scope="module")
def atlas(wheel_lab: Lab, browser: Any, wheel_cookies: Any) -> str:
    """The id of a job that embeds 400 digits; without one the page begins a long one by itself."""
    context = browser.new_context(storage_state=wheel_cookies)
    page = context.new_page()
    page.goto(wheel_lab.base + "/jobs")
    job = begin(page, "embed", net="digits", layer="relu3", data="digits", images=400, layout="pca")
    context.close()
    return job


def test_5_units_mixtures_strips_and_the_atlas_are_looked_into(
    open_wheel: Open, atlas: str, keep: Keep
) -> None:
    page = open_wheel("/m/digits/conv2/7")
    page.get_by_role("link", name="As a film strip").click(timeout=60_000)
    page.wait_for_url("**/do/visualize?*")
    places = page.get_by_label("Places", exact=True)
    places.fill("conv2:1 - 0.3*conv2:3")
    places.press("Enter")
    page.get_by_role("button", name="Visualise units", exact=True).click()
    page.wait_for_url("**/do/visualize?job=*")
    done(page)
    strip = page.get_by_role("group", name="Film strip").get_by_role("img")
    expect(strip).to_have_attribute(
        "alt", "Film strip: 5 pictures of each place, after 0, 4, 16, 64, 128 steps"
    )
    all_loaded(page, ".strip img, .pictures img")
    captions = page.locator(".pictures figcaption span").all_inner_texts()
    assert {"conv2:7", "conv2:1 - 0.3*conv2:3"} <= set(captions)
    keep(page, "5-visualized")
    job = begin(page, "units", net="digits", data="digits", split="test", places=["conv2"])
    page.goto(page.url.split("/do/")[0] + f"/jobs/{job}")
    done(page)
    page.locator("iframe").scroll_into_view_if_needed()
    page.frame_locator("iframe").locator("select", has_text="conv2").first.wait_for()
    keep(page, "5-units")
    page.goto(page.url.split("/jobs/")[0] + f"/atlas?job={atlas}")
    map_ = page.get_by_role("application")
    map_.wait_for(timeout=60_000)
    page.get_by_role("button", name="grid", exact=True).click()
    until(page, "document.querySelector('[role=application]').dataset.drawn === '400'")
    keep(page, "5-atlas")
    pair = open_wheel("/m/digits?with=lenet5")
    pair.locator(".answers.pair").wait_for()
    keep(pair, "5-two-networks")


def test_6_an_answer_is_explained_from_a_region_to_units_and_similar_pictures(
    open_wheel: Open, digit: Path, keep: Keep
) -> None:
    page = open_wheel("/explain?net=digits")
    page.locator("#field-image").set_input_files(digit)
    page.get_by_text("seven.png").first.wait_for()
    page.get_by_role("button", name="Explain this picture").click()
    page.get_by_role("heading", name="Why 7?").wait_for(timeout=120_000)
    done(page)
    expect(page.locator("li.card h3")).to_have_count(3)
    expect(page.get_by_text("weights are random")).to_have_count(3)
    for name in ("Deletion", "Insertion", "Average drop"):
        expect(page.locator("li.card dt", has_text=name)).to_have_count(3)
    all_loaded(page, "li.card img")
    units = page.locator("[data-testid=region-units] li")
    units.first.wait_for(timeout=60_000)
    all_loaded(page, "[data-testid=region-units] img")
    expect(units).to_have_count(6)
    expect(units.first.locator("img")).to_have_count(5)
    before = units.locator("a").all_inner_texts()
    page.get_by_role("application", name="Region of the picture").focus()
    for _ in range(4):
        page.keyboard.press("ArrowUp")
    for _ in range(100):
        if units.locator("a").all_inner_texts() != before:
            break
        page.wait_for_timeout(50)
    assert units.locator("a").all_inner_texts() != before
    until(page, "document.querySelectorAll('[data-testid=region-units] img').length === 30")
    all_loaded(page, "[data-testid=region-units] img")
    keep(page, "6-explained")
    units.first.get_by_role("link").click()
    page.wait_for_url(re.compile(r"/m/digits/\w+/\d+$"))


def test_7_a_dream_is_stopped_kept_and_its_settings_come_back_also_without_metadata(
    open_wheel: Open, tmp_path: Path, keep: Keep
) -> None:
    photo = Image.linear_gradient("L").resize((160, 120)).convert("RGB")
    photo.paste((200, 80, 30), (60, 30, 110, 80))
    photo.save(tmp_path / "photo.png")
    page = open_wheel("/dream")
    page.locator("#field-photo").set_input_files(tmp_path / "photo.png")
    page.get_by_text("photo.png").first.wait_for()
    for name, value in (("Octaves", "2"), ("Steps", "400"), ("Size", "96")):
        page.get_by_label(name, exact=True).fill(value)
    page.get_by_role("button", name="Dream", exact=True).click()
    page.wait_for_url("**/dream?job=*")
    page.locator(".pictures img").first.wait_for(timeout=120_000)
    page.get_by_role("button", name="Stop and keep the picture").click()
    page.get_by_text("stopped", exact=True).wait_for(timeout=60_000)
    page.reload()
    all_loaded(page, ".pictures img")
    keep(page, "7-stopped")
    with page.expect_download() as download:
        page.get_by_role("link", name="Save").first.click()
    whole, stripped = tmp_path / "whole.png", tmp_path / "stripped.png"
    download.value.save_as(whole)
    Image.open(whole).convert("RGB").save(stripped)
    name = download.value.suggested_filename
    for file, said in (
        (whole, "The settings of this picture are restored."),
        (stripped, "the job in its name"),
    ):
        page.goto(page.url.split("?")[0])
        page.get_by_role("button", name="Dream", exact=True).wait_for()
        drop(page, file, name)
        page.get_by_text(said).wait_for()
        expect(page.get_by_label("Steps", exact=True)).to_have_value("400")
        page.locator(".pick .name", has_text="photo.png").wait_for()
    page.goto(page.url.split("?")[0])
    page.get_by_role("button", name="Dream", exact=True).wait_for()
    drop(page, whole, "renamed.png")  # what it was made of is not in it
    page.get_by_text("Choose photo.png again").wait_for()
    assert page.get_by_role("button", name="Dream", exact=True).is_disabled()
    keep(page, "7-restored")


def test_8_go_is_played_analysed_and_saved_a_sound_is_heard_and_words_are_tinted(
    open_wheel: Open, tmp_path: Path, keep: Keep
) -> None:
    pytest.importorskip("numba", reason="the rules of Go are compiled by numba")
    page = open_wheel("/go")
    board = page.get_by_role("application")
    board.wait_for(timeout=240_000)  # a minute where the rules were never compiled
    expect(page.locator(".suggested")).to_have_count(0)
    page.get_by_role("button", name="Hints").click()
    page.locator(".suggested li").first.wait_for(timeout=60_000)
    keep(page, "8-hints")
    page.get_by_role("button", name="Hints").click()
    expect(page.locator(".suggested")).to_have_count(0)
    board.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_url("**moves=E6.*", timeout=60_000)
    page.get_by_text("move 2").wait_for()
    page.get_by_role("button", name="Input planes").click()
    page.locator(".plane").first.wait_for()
    page.get_by_role("button", name="Analyse", exact=True).click()
    page.locator(".suggested li").first.wait_for(timeout=60_000)
    stop = page.get_by_role("button", name="Stop", exact=True)
    if stop.is_visible():
        stop.click()
    page.get_by_role("button", name="Analyse", exact=True).wait_for()
    page.wait_for_timeout(500)
    assert page.locator(".suggested li").count() > 0  # what it found stays
    keep(page, "8-analysed")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save SGF").click()
    download.value.save_as(tmp_path / "game.sgf")
    assert b";B[ed]" in (tmp_path / "game.sgf").read_bytes()
    page.goto(page.url.split("?")[0])
    board.wait_for()
    page.locator("input[type=file]").set_input_files(tmp_path / "game.sgf")
    page.wait_for_url("**moves=E6.*")

    page = open_wheel("/m/spoken-digits/conv2/3")
    page.get_by_role("button", name="Play Feature visualization").wait_for(timeout=90_000)
    all_loaded(page, ".patch img")
    for button in ("Feature visualization", page.locator(".patch").first.get_attribute("title")):
        page.get_by_role("button", name=f"Play {button}", exact=True).first.click()
        page.get_by_role("button", name=f"Stop {button}", exact=True).wait_for()
        page.get_by_role("button", name=f"Play {button}", exact=True).first.wait_for(
            timeout=10_000
        )  # it ends
    keep(page, "8-sound")

    page = open_wheel("/m/questions")
    page.get_by_label("Text").fill("what is it")
    wait_for_answer(page, "question")
    page.locator("ol.words li").nth(2).wait_for()
    keep(page, "8-text")


def test_9_a_network_is_used_by_a_program_over_http(
    open_wheel: Open, wheel_lab: Lab, digit: Path, tmp_path: Path, keep: Keep
) -> None:
    page = open_wheel("/use?net=digits")
    page.locator("#use-file").set_input_files(digit)
    answers = page.locator("[data-testid=answers] li")
    answers.first.wait_for(timeout=60_000)
    assert answers.first.inner_text().startswith("7")
    curl = page.get_by_text("curl --data-binary").inner_text()
    program = page.get_by_text("from urllib.request import").inner_text()
    keep(page, "9-use")
    (tmp_path / "photo.jpg").write_bytes(digit.read_bytes())
    env = {**os.environ, "CONVSCOPE_TOKEN": TOKEN}
    made = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60
    )
    assert made.returncode == 0, made.stderr
    assert made.stdout.splitlines()[0].endswith(" 7")
    address = wheel_lab.base + "/api/v1/networks/digits/classify"
    assert address in curl and "Bearer $CONVSCOPE_TOKEN" in curl
    body, token = digit.read_bytes(), {"Authorization": f"Bearer {TOKEN}"}
    with urllib.request.urlopen(urllib.request.Request(address, body, token)) as reply:
        assert json.load(reply)["top"][0]["label"] == "7"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(urllib.request.Request(address, body, {"Authorization": "Bearer wrong"}))
    page.goto(wheel_lab.base + "/docs")
    page.get_by_text("/api/v1/networks/{net}/classify").first.wait_for()


TITLES = {
    "/": ("Watch a network", "观察网络"),
    "/m/digits/conv2": ("Units", "单元"),
    "/build": ("Build", "搭建"),
    "/train": ("Train", "训练"),
    "/explain": ("Explain", "解释"),
    "/dream": ("Dream", "梦境"),
    "/dream/style": ("Dream", "梦境"),
    "/do/visualize": ("Visualise units", "单元可视化"),
    "/atlas": ("Atlas", "图集"),
    "/go": ("Go", "围棋"),
    "/use": ("Use", "使用"),
    "/jobs": ("Jobs", "任务"),
}
"""Of each page, in English and Chinese."""


@pytest.mark.parametrize(("at", "locale"), [(0, "en-US"), (1, "zh-CN")])
def test_every_page_has_its_title_in_both_languages(
    open_wheel: Open, wheel_lab: Lab, atlas: str, keep: Keep, at: int, locale: str
) -> None:
    page = open_wheel("/jobs", locale=locale)
    for path, titles in TITLES.items():
        page.goto(wheel_lab.base + (f"{path}?job={atlas}" if path == "/atlas" else path))
        until(page, f"document.title.includes({json.dumps(titles[at])})")
        page.get_by_role("heading", level=1).wait_for()
        page.wait_for_timeout(300)
        keep(page, f"title-{locale}-{path.strip('/').replace('/', '-') or 'watch'}")


def test_a_digit_is_drawn_and_classified_by_keyboard_alone(open_wheel: Open, keep: Keep) -> None:
    page = open_wheel("/")
    wait_for_answer(page, "7")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('.pad') !== null"):
            break
    page.keyboard.press("Backspace")
    for _ in range(10):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("Space")
    for _ in range(19):
        page.keyboard.press("ArrowDown")
    wait_for_answer(page, "1")
    keep(page, "keyboard")
