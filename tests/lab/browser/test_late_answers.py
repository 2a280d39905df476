"""What comes too late, or is refused: the page shows what it asked for last, and says what it did not get."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.lab.browser.running import Lab, begin, expect, stroke, until, wait_for_answer

pytestmark = pytest.mark.slow
Open = Callable[..., Any]
REFUSAL = {"error": {"expected": "a job that has ended", "received": "running", "hint": "Stop it first."}}


class Held:
    """Answers of the server that a test holds back, and lets go later."""

    def __init__(self, page: Any, address: str) -> None:
        self.routes: list[Any] = []
        page.route(address, lambda route: self.routes.append(route))

    def wait(self, page: Any) -> Any:
        until(page, lambda: bool(self.routes))
        return self.routes[0]


def picture(colour: str) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(made, "PNG")
    return made.getvalue()


def test_all_files_that_were_chosen_together_are_handed_over(open_page: Open, tmp_path: Path) -> None:
    names = ["red.png", "green.png", "blue.png"]
    for name in names:
        (tmp_path / name).write_bytes(picture(name.split(".")[0]))
    page = open_page("/do/classify")
    page.locator("#field-images").set_input_files([tmp_path / name for name in names])
    for name in names:
        page.locator(".file .name", has_text=name).wait_for()
    expect(page.locator(".file .name")).to_have_text(names)


def test_a_refused_action_on_a_job_is_said_and_stays(open_page: Open, lab: Lab) -> None:
    page = open_page("/")
    job = begin(page, "visualize", net="digits", places=["conv9:0"])
    page.goto(lab.base + "/jobs")
    row = page.locator(".job", has=page.locator(f"a[href='/jobs/{job}']")).first
    row.get_by_text("failed").wait_for(timeout=120_000)
    page.route(
        f"**/api/v1/jobs/{job}",
        lambda route: route.fulfill(status=409, content_type="application/json", body=json.dumps(REFUSAL)),
    )
    with page.expect_response("**/api/v1/jobs?limit=1000"):
        row.get_by_role("button", name="Remove").click()
    page.get_by_role("alert").get_by_text("Stop it first.").wait_for()
    page.wait_for_timeout(500)  # the list is shown anew
    expect(page.get_by_role("alert").get_by_text("Stop it first.")).to_have_count(1)


@pytest.mark.parametrize(
    ("question", "button", "late", "shows"),
    [
        ("score", "Count the score", {"score": "B+7.5", "margin": 7.5, "komi": 7.5, "dead": []}, "B+7.5"),
        (
            "analysis",
            "Analyse",
            {
                "done": True,
                "visits": 399,
                "max_visits": 400,
                "winrate": 0.5,
                "moves": [{"point": "C3", "visits": 9, "winrate": 0.5, "prior": 0.5, "line": ["C3"]}],
            },
            "399 of 400",
        ),
    ],
)
def test_an_answer_about_a_former_position_does_not_count(
    open_page: Open, question: str, button: str, late: dict[str, Any], shows: str
) -> None:
    page = open_page("/go?opponent=nobody")
    board = page.get_by_role("application")
    board.wait_for(timeout=180_000)

    def play(key: str, move: str) -> None:
        board.focus()
        page.keyboard.press(key)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**moves={move}", timeout=60_000)
        page.get_by_text("move 1").wait_for(timeout=60_000)

    play("ArrowUp", "E6")
    held = Held(page, f"**/api/v1/go/{question}")
    page.get_by_role("button", name=button).click()
    route = held.wait(page)
    page.get_by_role("button", name="Take back").click()
    page.get_by_text("move 0").wait_for()
    play("ArrowDown", "E4")  # as many moves, another position
    route.fulfill(content_type="application/json", body=json.dumps(late))
    page.wait_for_timeout(500)
    expect(page.get_by_text(shows)).to_have_count(0)
    page.unroute_all()
    page.route(
        f"**/api/v1/go/{question}",
        lambda route: route.fulfill(content_type="application/json", body=json.dumps(late)),
    )
    page.get_by_role("button", name=button).click()
    page.get_by_text(shows).wait_for()


SLOW_PICTURE = """
  const blob = Response.prototype.blob
  Response.prototype.blob = async function () {
    const found = await blob.call(this)
    if (this.url.includes('/units/7/')) await new Promise(done => (window.release = done))
    return found
  }
  const [made, given] = [URL.createObjectURL, URL.revokeObjectURL]
  window.pictures = new Set()
  URL.createObjectURL = blob => { const url = made(blob); window.pictures.add(url); return url }
  URL.revokeObjectURL = url => { given(url); window.pictures.delete(url) }
"""
"""Keeps the answers for one unit until the test lets them go, and notes the pictures that the page holds."""


def test_the_picture_of_a_unit_that_was_left_is_neither_shown_nor_kept(open_page: Open) -> None:
    page = open_page("/m/digits/conv2/7", script=SLOW_PICTURE)
    wait_for_answer(page, "7")
    until(page, "'release' in window")
    page.keyboard.press("]")
    page.wait_for_url("**/m/digits/conv2/8")
    shown = page.locator(".card .picture img[alt='Feature visualization']")
    shown.wait_for()
    page.locator("progress[aria-label='Feature visualization']").wait_for(state="detached")
    before = shown.get_attribute("src")
    page.evaluate("window.release()")
    page.wait_for_timeout(500)
    expect(shown).to_have_attribute("src", before)
    assert page.evaluate("[...window.pictures]") == [before]


def test_a_unit_that_is_no_sum_says_why(open_page: Open) -> None:
    page = open_page("/m/questions/pool2/3")
    note = page.locator(".card", has=page.locator("#kernel-title")).get_by_role("alert")
    note.wait_for(timeout=60_000)
    expect(note).to_contain_text("pool2:3, of maxovertime")
    page.get_by_label("Text").fill("Another question?")
    page.wait_for_timeout(2500)  # it is asked again, and refused again
    expect(page.get_by_role("alert")).to_have_count(1)
    page.keyboard.press("Escape")
    page.goto(page.url.split("/m/")[0] + "/m/questions/conv2/3")
    page.locator("p.sum b").first.wait_for()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_frames_of_the_network_that_was_left_are_dropped(open_page: Open) -> None:
    page = open_page("/jobs")
    held: list[bytes] = []
    holds = False

    def connect(socket: Any) -> None:
        server = socket.connect_to_server()

        def from_server(message: str | bytes) -> None:
            if holds and isinstance(message, bytes):
                held.append(message)
            else:
                socket.send(message)

        server.on_message(from_server)
        sockets.append(socket)

    sockets: list[Any] = []
    page.route_web_socket("**/api/v1/socket", connect)
    page.goto(page.url.removesuffix("/jobs") + "/")
    wait_for_answer(page, "7")
    holds = True
    stroke(page, [(0.4, 0.4), (0.6, 0.6)])
    asked = Held(page, "**/api/v1/networks/questions")
    page.get_by_label("Choose a network").select_option("questions")
    route = asked.wait(page)
    for _ in range(100):
        if held:
            break
        page.wait_for_timeout(50)
    assert held
    for message in held:
        sockets[-1].send(message)
    page.wait_for_timeout(300)
    expect(page.locator(".answers")).to_have_count(0)
    late = held[-1]
    holds = False
    route.continue_()
    wait_for_answer(page, "question")
    sockets[-1].send(late)
    page.wait_for_timeout(1500)
    expect(page.locator(".answers .name")).to_have_text(["statement", "question"])
    expect(page.locator(".answers .name.best")).to_have_text("question")
    assert "conv1" in page.locator("section.layer h3").all_inner_texts()
