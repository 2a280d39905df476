"""Camera and microphone: what they give is watched, and they are let go when the page is left."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.lab.browser.conftest import CHROMIUM, FLAGS
from tests.lab.browser.running import Lab, expect, until

from convscope.nets import load
from convscope.worlds import world_of

pytestmark = pytest.mark.slow
Open = Callable[..., Any]
KEPT = """
  window.streams = []
  const ask = MediaDevices.prototype.getUserMedia
  MediaDevices.prototype.getUserMedia = async function (wanted) {
    const stream = await ask.call(this, wanted)
    window.streams.push(stream)
    return stream
  }
"""
"""Keeps every stream that the page was given, so that a test can see whether it still runs."""
STATES = "window.streams.flatMap(stream => stream.getTracks()).map(track => track.readyState).join()"


def drawn(page: Any) -> str:
    """Return a digest of the maps of the first layer."""
    canvas = page.locator("section.layer .stage canvas").first
    return sha256(canvas.evaluate("canvas => canvas.toDataURL()").encode()).hexdigest()


@pytest.mark.parametrize("net", ["resnet20", "digits"])
def test_the_camera_repaints_the_layers_and_ends_when_the_page_is_left(open_page: Open, net: str) -> None:
    page = open_page(f"/m/{net}", script=KEPT)
    page.get_by_role("button", name="Camera").click()
    page.get_by_role("button", name="Stop the camera").wait_for()
    page.locator("section.layer .stage canvas").first.wait_for(timeout=60_000)
    seen = set()
    for _ in range(60):  # the fake camera's picture moves
        seen.add(drawn(page))
        if len(seen) > 3:
            break
        page.wait_for_timeout(150)
    assert len(seen) > 3
    assert page.evaluate(STATES) == "live"
    page.get_by_role("link", name="Build").click()
    page.get_by_role("heading", name="Build").wait_for()
    until(page, f"{STATES} === 'ended'")


def test_the_camera_is_stopped_by_its_button_and_by_another_network(open_page: Open) -> None:
    page = open_page("/m/digits", script=KEPT)
    page.get_by_role("button", name="Camera").click()
    page.get_by_role("button", name="Stop the camera").click()
    until(page, f"{STATES} === 'ended'")
    page.get_by_role("button", name="Camera").click()
    page.get_by_role("button", name="Stop the camera").wait_for()
    page.get_by_label("Choose a network").select_option("lenet5")
    page.wait_for_url("**/m/lenet5")
    until(page, f"{STATES} === 'ended,ended'")
    page.get_by_role("button", name="Camera").wait_for()


@pytest.fixture
def speaking(browser: Any, lab: Lab, cookies: Any, tmp_path: Path) -> Iterator[Any]:
    """A browser whose microphone hears a spoken digit of the bundled data, again and again."""
    soundfile = pytest.importorskip("soundfile", reason="writes the sound that is heard")
    spec = load("spoken-digits").input_spec
    example = world_of(spec).example(spec, 5)
    assert example is not None
    soundfile.write(tmp_path / "spoken.wav", example.input.reshape(-1).numpy(), 8000)
    made = browser.browser_type.launch(
        executable_path=CHROMIUM,
        args=[*FLAGS, f"--use-file-for-fake-audio-capture={tmp_path / 'spoken.wav'}"],
    )
    context = made.new_context(storage_state=cookies, locale="en-US")
    page = context.new_page()
    page.add_init_script(KEPT)
    page.goto(lab.base + "/m/spoken-digits")
    yield page
    made.close()


def test_what_the_microphone_hears_is_classified(speaking: Any) -> None:
    page = speaking
    page.locator(".answers").wait_for(timeout=60_000)
    wave = page.locator("aside canvas")
    before = wave.evaluate("canvas => canvas.toDataURL()")
    page.get_by_role("button", name="Record").click()
    page.get_by_role("button", name="Stop").wait_for()
    page.wait_for_timeout(1500)
    with page.expect_response("**/api/v1/uploads") as uploaded:
        page.get_by_role("button", name="Stop").click()
    assert uploaded.value.ok
    for _ in range(100):
        if wave.evaluate("canvas => canvas.toDataURL()") != before:
            break
        page.wait_for_timeout(100)
    assert wave.evaluate("canvas => canvas.toDataURL()") != before
    until(page, f"{STATES} === 'ended'")
    shares = [float(text.strip().rstrip("%")) for text in page.locator(".answers .number").all_inner_texts()]
    assert len(shares) == 10
    assert sum(shares) == pytest.approx(100, abs=1)
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_role("button", name="Record").click()
    page.get_by_role("button", name="Stop").wait_for()
    page.get_by_role("link", name="Build").click()
    page.get_by_role("heading", name="Build").wait_for()
    until(page, f"{STATES} === 'ended,ended'")
