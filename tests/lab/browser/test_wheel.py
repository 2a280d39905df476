"""The lab of the wheel that users install: the page and all data are in it, and it asks no other machine."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.lab.browser.running import ONE, SEVEN, Lab, stroke, wait_for_answer

pytestmark = pytest.mark.slow


def test_the_wheel_draws_inspects_and_plays_without_another_machine(
    wheel_lab: Lab, open_wheel: Callable[..., Any]
) -> None:
    asked: list[str] = []
    page = open_wheel("/")
    page.context.on("request", lambda request: asked.append(request.url))
    page.set_default_timeout(60_000)
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.reload()
    wait_for_answer(page, "7")
    page.keyboard.press("c")
    stroke(page, ONE)
    wait_for_answer(page, "1")
    page.keyboard.press("c")
    stroke(page, SEVEN)
    wait_for_answer(page, "7")

    box = page.locator("section[aria-labelledby='layer-conv2'] .stage").bounding_box()
    page.mouse.click(box["x"] + 5, box["y"] + 5)
    page.wait_for_url(re.compile(r"/m/digits/conv2/0\?at="))
    page.locator("p.sum b").first.wait_for()

    page.get_by_role("link", name="Go", exact=True).click()
    board = page.get_by_role("application")
    board.wait_for(timeout=240_000)  # a minute where the rules were never compiled
    board.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_url("**moves=E6.*")
    page.get_by_text("move 2").wait_for()
    assert len(asked) > 20
    assert any(url.startswith("ws:") for url in asked)
    web = {urlsplit(url).hostname for url in asked if not url.startswith(("data:", "blob:"))}
    assert web == {urlsplit(wheel_lab.base).hostname} == {"127.0.0.1"}
