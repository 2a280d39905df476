"""The Train page: data of every world, chosen or handed over, checked and trained on."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image
from tests.lab.browser.running import expect

pytestmark = pytest.mark.slow
Open = Callable[..., Any]


def choose(page: Any, world: str, set_: str) -> None:
    page.get_by_role("button", name=world, exact=True).click()
    page.get_by_role("radio", name=set_).first.check()


def fill(page: Any, **values: str) -> None:
    for name, value in values.items():
        page.get_by_label(name.capitalize(), exact=True).fill(value)


def train(page: Any) -> None:
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_url("**/train?job=*")
    page.locator("section.out").get_by_text("done", exact=True).wait_for(timeout=240_000)
    page.locator("figure canvas").first.wait_for()
    expect(page.get_by_role("alert")).to_have_count(0)


def hold(page: Any, button: Any) -> None:
    """Press a map and keep it pressed; again where the page had moved it from under the pointer."""
    for _ in range(5):
        button.hover()
        page.mouse.down()
        if button.evaluate("button => button.matches(':active')"):
            return
        page.mouse.up()
    raise AssertionError("the map does not stay under the pointer")


@pytest.mark.parametrize(
    ("world", "set_", "recipe", "metric"),
    [
        ("Sounds", "chirps", "sound-square", "Accuracy"),
        ("Sentences", "phrases", "kim-rand", "Accuracy"),
        ("Games", "go-9x9", "go-9x9", "Top 1"),
        ("Numbers", "ring", "gan-ring", "Loss"),
    ],
)
def test_bundled_data_of_every_world_is_trained_on(
    open_page: Open, world: str, set_: str, recipe: str, metric: str
) -> None:
    if world == "Games":
        pytest.importorskip("numba", reason="the rules of Go are compiled by numba")
    page = open_page("/train")
    choose(page, world, set_)
    expect(page.get_by_label("Recipe")).to_have_value(recipe)
    fill(page, epochs="1", samples="256")
    train(page)
    page.get_by_text(metric, exact=False).first.wait_for()
    page.reload()
    page.get_by_text("done", exact=True).wait_for()
    page.locator(".worlds [aria-pressed=true]", has_text=world).wait_for()
    expect(page.get_by_label("Recipe")).to_have_value(recipe)


def wave(pitch: float, seed: int) -> bytes:
    made, at = io.BytesIO(), np.arange(4000) / 8000
    noise = 0.02 * np.random.default_rng(seed).normal(size=4000)
    soundfile.write(made, 0.5 * np.sin(2 * np.pi * pitch * at) + noise, 8000, format="WAV")
    return made.getvalue()


def test_a_folder_of_sounds_is_chosen_checked_and_learned(open_page: Open, tmp_path: Path) -> None:
    for name, pitch in (("low", 200.0), ("high", 900.0)):
        (tmp_path / "tones" / name).mkdir(parents=True)
        for k in range(10):
            (tmp_path / "tones" / name / f"{k}.wav").write_bytes(wave(pitch, k))
    (tmp_path / "tones" / "low" / "bad.wav").write_bytes(b"RIFF")
    page = open_page("/train")
    choose(page, "Sounds", "Files of yours")
    assert page.get_by_role("button", name="Train", exact=True).is_disabled()
    page.locator("input[webkitdirectory]").set_input_files(tmp_path / "tones")
    page.get_by_text("21 files").wait_for(timeout=60_000)
    page.get_by_text("low/bad.wav").wait_for(timeout=60_000)
    page.get_by_text("Something is not well").wait_for()
    fill(page, epochs="8")
    train(page)
    assert float(page.locator("[data-testid=score] strong").inner_text().rstrip("%")) == 100


def test_sentences_in_a_file_are_chosen_checked_and_learned(open_page: Open, tmp_path: Path) -> None:
    lines = [
        f"{label}\tthe film {k} was {word}"
        for k in range(30)
        for label, word in (("+", "fine"), ("-", "dull"))
    ]
    (tmp_path / "reviews.tsv").write_text("\n".join(lines))
    page = open_page("/train")
    choose(page, "Sentences", "Files of yours")
    page.locator("[data-testid=files]").set_input_files(tmp_path / "reviews.tsv")
    page.get_by_text("All is well.").wait_for(timeout=60_000)
    page.get_by_label("Recipe").select_option("")
    fill(page, network="kim_cnn_50", epochs="3")
    expect(page.locator("form pre, form code").last).to_contain_text("convscope train kim_cnn_50 reviews.tsv")
    train(page)
    page.locator("td button.diagonal").first.click()
    page.get_by_text("the film").first.wait_for()


def shades(root: Path) -> Path:
    """Twelve dark and twelve light pictures, of which one dark one lies among the light."""
    generator = np.random.default_rng(0)
    for name, shade in (("dark", 40), ("light", 200)):
        (root / "shades" / name).mkdir(parents=True)
        for k in range(12):
            pixels = generator.normal(40 if (name, k) == ("light", 0) else shade, 12, (24, 24, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / "shades" / name / f"{k}.png")
    return root / "shades"


def test_buttons_in_the_form_begin_nothing(open_page: Open) -> None:
    page = open_page("/train")
    page.get_by_role("button", name="Copy").click()
    page.wait_for_timeout(500)
    assert "job=" not in page.url


def test_a_mislabelled_picture_is_moved_explained_and_learned_from_anew(
    open_page: Open, lab: Any, tmp_path: Path
) -> None:
    folder = shades(tmp_path)
    test = folder / "test"
    for name, numbers in (("dark", (1, 2)), ("light", (0, 1, 2))):
        (folder / "train").mkdir(exist_ok=True)
        (folder / name).rename(folder / "train" / name)
        (test / name).mkdir(parents=True)
        for k in numbers:
            (folder / "train" / name / f"{k}.png").rename(test / name / f"{k}.png")
    page = open_page("/train")
    choose(page, "Pictures", "Files of yours")
    page.locator("input[webkitdirectory]").set_input_files(folder)
    page.get_by_text("All is well.").wait_for(timeout=60_000)
    fill(page, network="conv 4 3x3, relu, flatten, dense 2", epochs="8")
    train(page)
    page.get_by_role("button", name="light taken for dark: 1").click()
    page.get_by_role("button", name="light, answered dark").click()
    panel = page.get_by_role("group", name="Sample")
    panel.get_by_text("test/light/0.png").wait_for()
    expect(panel.get_by_label("Class to move it to")).to_have_value("dark")
    panel.get_by_role("button", name="Move", exact=True).click()
    panel.get_by_text("Counts as dark from the next training on.").wait_for()
    corrections = page.get_by_role("region", name="Corrections")
    corrections.get_by_text("test/light/0.png").wait_for()
    first = page.url
    page.get_by_role("button", name="Train again with the corrected data").click()
    page.wait_for_url(lambda url: url != first)
    page.locator("section.out").get_by_text("done", exact=True).wait_for(timeout=120_000)
    page.get_by_role("button", name="dark: 3 right").wait_for()
    page.get_by_role("button", name="light: 2 right").wait_for()
    corrections.get_by_role("button", name="Take back the correction of test/light/0.png").click()
    page.get_by_role("region", name="Corrections").wait_for(state="detached")
    page.get_by_role("button", name="dark: 3 right").click()
    page.get_by_role("button", name="dark, answered dark").first.click()
    panel.get_by_role("button", name="Explain").click()
    page.wait_for_url("**/explain?*")
    assert "net=run%3A" in page.url and "file=" in page.url
    page.get_by_text("sample-").first.wait_for()
    assert (test / "light" / "0.png").exists() and len(list(folder.rglob("*.png"))) == 24


def test_a_tap_freezes_a_map_and_a_hold_switches_it_off(open_page: Open) -> None:
    page = open_page("/train")
    fill(page, network="conv 6 5x5, relu, maxpool 4, flatten, dense 10", epochs="60", samples="2000")
    page.get_by_role("button", name="Train", exact=True).click()
    page.locator("[data-testid=score]").wait_for(timeout=120_000)
    page.get_by_text("or hold A on it").wait_for()
    one = page.get_by_role("button", name="conv1:2, learning")
    hold(page, one)
    page.get_by_text("without conv1:2", exact=True).wait_for(timeout=120_000)
    page.locator("button.off").wait_for()
    page.get_by_text("test samples are right").wait_for()
    page.mouse.up()
    page.locator("button.off").wait_for(state="detached")
    expect(page.locator("[data-testid=ablated]")).to_have_count(0)
    one.wait_for()  # it was no tap: the map learns on
    one.focus()
    page.keyboard.down("a")
    page.get_by_text("without conv1:2", exact=True).wait_for(timeout=60_000)
    page.keyboard.up("a")
    page.locator("[data-testid=ablated]").wait_for(state="detached")
    one.click()
    page.get_by_role("button", name="conv1:2, frozen").wait_for()
    page.get_by_role("button", name="Stop and keep it").click()
    page.locator("section.out").get_by_text("stopped", exact=True).wait_for(timeout=60_000)
