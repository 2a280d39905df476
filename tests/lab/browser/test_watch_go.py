"""Stones in the live view: a move is an input, and every layer answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.lab.browser.running import serious
from tests.lab.browser.test_watch import pixels

from convscope import nets, worlds

pytest.importorskip("numba", reason="the rules of Go are compiled by numba")
pytestmark = pytest.mark.slow
Open = Callable[..., Any]
COMPILED = 240_000


def shares(moves: list[str]) -> dict[str, float]:
    """Return what the network answers to a position, in percent by point."""
    from convscope.worlds.go import Board

    net, board = nets.load("go-9x9"), Board(9)
    for move in moves:
        board.play(move)
    with torch.no_grad():
        policy = net(worlds.world_of(net.input_spec).open(board, net.input_spec).input[None])["policy"]
        found = policy.flatten().softmax(0)
    return dict(zip(net.classes, (100 * found).tolist(), strict=True))


def wait_for_shares(page: Any, moves: list[str]) -> None:
    """Wait until the page shows the answer to a position, with its numbers."""
    wanted, found, expected = shares(moves), {}, None
    for _ in range(200):
        names = page.locator(".answers .name").all_inner_texts()
        values = [
            float(text.strip("%\n ").split("%")[0])
            for text in page.locator(".answers .number").all_inner_texts()
        ]
        # The page may be painted anew between names and numbers, so they are compared as long as they differ.
        found = dict(zip(names, values, strict=False))
        expected = pytest.approx({name: wanted[name] for name in names}, abs=0.06)
        if len(names) == len(values) > 0 and found == expected:
            break
        page.wait_for_timeout(50)
    assert found and found == expected
    assert max(found, key=found.__getitem__) == max(wanted, key=wanted.__getitem__)


def click(page: Any, column: int, row: int) -> None:
    """Click a point, counted from the left upper corner."""
    box = page.locator(".board canvas").bounding_box()
    cell = box["width"] / 10.6
    page.mouse.click(box["x"] + (column + 1.3) * cell, box["y"] + (row + 1.3) * cell)


def test_a_stone_is_put_by_pointer_and_every_layer_repaints(open_page: Open) -> None:
    page = open_page("/m/go-9x9?moves=E5.C3")
    page.locator(".board canvas").wait_for(timeout=COMPILED)
    wait_for_shares(page, ["E5", "C3"])
    before = {name: pixels(page, name) for name in ("input", "conv1", "relu1")}
    click(page, 6, 2)  # G7
    page.wait_for_url("**/m/go-9x9?moves=E5.C3.G7")
    wait_for_shares(page, ["E5", "C3", "G7"])
    assert all((before[name] != pixels(page, name)).any() for name in before)
    click(page, 6, 2)  # where a stone is
    page.wait_for_timeout(300)
    assert page.url.endswith("moves=E5.C3.G7")
    page.get_by_role("button", name="Take back").click()
    page.wait_for_url("**/m/go-9x9?moves=E5.C3")
    wait_for_shares(page, ["E5", "C3"])
    page.get_by_role("button", name="Clear", exact=True).click()
    page.wait_for_url("**/m/go-9x9")
    wait_for_shares(page, [])
    assert page.get_by_role("button", name="Take back").is_disabled()


def test_a_stone_is_put_by_keyboard(open_page: Open) -> None:
    page = open_page("/m/go-9x9?moves=E5")
    board = page.locator(".board canvas")
    board.wait_for(timeout=COMPILED)
    wait_for_shares(page, ["E5"])
    board.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    page.locator(".board [aria-live]", has_text="F6: empty").wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url("**/m/go-9x9?moves=E5.F6")
    page.locator(".board [aria-live]", has_text="F6: white").wait_for()
    wait_for_shares(page, ["E5", "F6"])
    page.keyboard.press("u")
    page.wait_for_url("**/m/go-9x9?moves=E5")
    page.keyboard.press("c")
    page.wait_for_url("**/m/go-9x9")
    wait_for_shares(page, [])


def test_the_position_stays_on_the_page_of_a_unit_and_a_record_is_opened(
    open_page: Open, tmp_path: Path
) -> None:
    page = open_page("/m/go-9x9?moves=E5.C3.G7")
    page.locator(".board canvas").wait_for(timeout=COMPILED)
    wait_for_shares(page, ["E5", "C3", "G7"])
    box = page.locator("section[aria-labelledby='layer-conv1'] .stage").bounding_box()
    page.mouse.click(box["x"] + 5, box["y"] + 5)
    page.locator("#kernel-title").wait_for()
    wait_for_shares(page, ["E5", "C3", "G7"])
    (tmp_path / "game.sgf").write_text("(;GM[1]SZ[9]KM[7.5];B[cc];W[gg])")
    page.locator(".board input[type=file]").set_input_files(tmp_path / "game.sgf")
    wait_for_shares(page, ["C7", "G3"])


def test_nothing_serious_for_axe_and_the_board_fits_a_phone(open_page: Open) -> None:
    page = open_page("/m/go-9x9", viewport={"width": 390, "height": 844}, is_mobile=True)
    page.locator(".board canvas").wait_for(timeout=COMPILED)
    page.locator("#layer-conv1").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert np.isclose(page.locator(".board canvas").bounding_box()["width"], 362, atol=2)
    assert not serious(page)
