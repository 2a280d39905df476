import base64
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="the rules of Go are compiled by numba")

from convscope import nets, worlds
from convscope.errors import DataError, UsageError
from convscope.lab.live.background import Background
from convscope.lab.live.games import board_of
from convscope.lab.live.go import GoService
from convscope.lab.live.networks import Networks
from convscope.use.go import (
    NetworkPolicy,
    SearchConfig,
    SearchPlayer,
    TreeSearch,
    sensible_moves,
)
from convscope.worlds.go import Board, IllegalMove, encode, parse_vertex, plane_names, read_sgf

OPENING = {"size": 9, "moves": ["E5", "C3", "G4"]}


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GoService:
    found = GoService(Networks(tmp_path), Background())
    monkeypatch.setattr(found, "compiling", lambda net: "")  # the tests compile the rules themselves
    return found


def test_a_position_has_stones_legal_points_and_whose_turn_it_is(table: GoService) -> None:
    state = table.answer("state", OPENING)
    board = Board(9)
    for move in OPENING["moves"]:  # type: ignore[attr-defined]
        board.play(move)
    assert np.array_equal(state["stones"], board.stones) and state["to_play"] == "white"
    assert len(state["legal"]) == 78 and state["last"] == "G4" and state["move"] == 3
    assert "policy" not in state and "planes" not in state
    with pytest.raises(IllegalMove, match="E5"):
        table.answer("state", {"size": 9, "moves": ["E5", "E5"]})


def test_ko_captures_and_the_end(table: GoService) -> None:
    moves = ["B1", "C1", "A2", "D2", "B3", "C3", "C2", "B2"]
    state = table.answer("state", {"size": 9, "moves": moves})
    assert state["ko"] == "C2" and "C2" not in state["legal"] and state["prisoners"]["white"] == 1
    over = table.answer("state", {"size": 9, "moves": ["pass", "pass"]}, hints=True)
    assert over["over"] and over["legal"] == [] and "policy" not in over


def test_hints_are_the_policy_over_sensible_points(table: GoService) -> None:
    state = table.answer("state", OPENING, hints=True)
    board = board_of(OPENING)
    logits = np.asarray(NetworkPolicy("go-9x9")([board]).logits[0], float)
    allowed = sensible_moves(board).ravel()
    shares = np.where(allowed, np.exp(logits[:81] - logits.max()), 0)
    shares /= shares.sum()
    assert state["policy"] == pytest.approx(shares, abs=1e-5)
    best = state["suggested"][0]
    assert parse_vertex(best["point"], 9) == divmod(int(shares.argmax()), 9) and len(state["suggested"]) <= 10


def test_planes_are_what_the_network_sees(table: GoService) -> None:
    planes = table.answer("state", OPENING, planes=True)["planes"]
    names = plane_names(nets.load("go-9x9").input_spec)
    assert [plane["name"] for plane in planes] == list(names)
    values = np.array([plane["values"] for plane in planes]).reshape(-1, 9, 9)
    assert np.array_equal(values, encode(board_of(OPENING), names))


def test_the_network_replies_at_once_or_after_a_search(table: GoService) -> None:
    assert table.answer("reply", OPENING) == {"done": False, "fraction": 0.0}
    assert table.background.step() and table.background.step()
    found = table.answer("reply", OPENING)
    assert found["done"] and found["move"] in table.answer("state", OPENING)["legal"]
    searched = table.answer("reply", OPENING, visits=16)
    while not searched["done"]:
        table.background.step()
        searched = table.answer("reply", OPENING, visits=16)
    assert searched["move"] in table.answer("state", OPENING)["legal"] and 0 <= searched["winrate"] <= 1
    with pytest.raises(UsageError, match="goes on"):
        table.answer("reply", {"size": 9, "moves": ["pass", "pass"]})


def test_an_analysis_stops_and_its_result_stays(table: GoService) -> None:
    assert table.answer("analysis", OPENING, visits=24)["visits"] == 0
    while table.background.step():
        pass
    found = table.answer("analysis", OPENING, visits=24)
    assert found["done"] and found["visits"] == 24 and not table.background.step()
    evaluator = NetworkPolicy("go-9x9")
    assert evaluator.has_value
    *_, last = SearchPlayer(TreeSearch(evaluator, SearchConfig(24))).iter_search(board_of(OPENING))
    wanted = last.analysis()
    assert [m["visits"] for m in found["moves"]][:3] == [m.visits for m in wanted.moves][:3]
    table.answer("analysis", {"size": 9, "moves": ["E5"]}, visits=24)
    assert table.answer("analysis", OPENING, visits=24) == found


def test_records_are_read_and_written(table: GoService) -> None:
    written = base64.b64decode(table.answer("save", OPENING)["sgf"])
    assert [m.point for m in read_sgf(written).moves] == [m.point for m in board_of(OPENING).history]
    loaded = table.answer("load", {}, sgf=base64.b64encode(written).decode())
    assert loaded["game"]["moves"] == OPENING["moves"] and loaded["game"]["size"] == 9
    text = "(;FF[4]SZ[9]HA[2]AB[cc][gg]PB[甲]PW[乙]RE[W+R];W[ee];W[dd];B[])"
    loaded = table.answer("load", {}, sgf=base64.b64encode(text.encode()).decode())
    game = loaded["game"]
    assert loaded["names"] == {"black": "甲", "white": "乙"} and game["first"] == "white"
    assert game["black"] == ["C7", "G3"] and game["moves"] == ["E5", "W D6", "pass"]
    assert table.answer("state", game)["move"] == 3
    with pytest.raises(DataError):
        table.answer("load", {}, sgf=base64.b64encode(b"\x00\xff no record").decode())


def test_the_score_and_dead_stones(table: GoService) -> None:
    wall = {"size": 9, "komi": 0.5, "black": [f"E{k}" for k in range(1, 10)], "white": ["A1"], "moves": []}
    score = table.answer("score", wall)
    assert score["dead"] == ["A1"] and score["komi"] == 0.5


@pytest.mark.parametrize(
    ("action", "game"),
    [
        ("dance", {}),
        ("state", {"moves": ["E5"] * 2001}),
        ("state", {"size": 13}),
        ("state", {"black": ["Z9"]}),
    ],
)
def test_wrong_questions_are_refused(table: GoService, action: str, game: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        table.answer(action, game)


def test_while_the_rules_are_compiled_the_answer_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []

    class Process:
        code: int | None = None

        def __init__(self, command: list[str], **_: object) -> None:
            started.append(command)

        def poll(self) -> int | None:
            return self.code

    said = ["The rules of Go are compiled now, once; that takes about a minute"]
    monkeypatch.setattr("convscope.lab.live.go.subprocess.Popen", Process)
    monkeypatch.setattr(type(worlds.WORLDS["go"]), "first_use", lambda self: said[0])
    found = GoService(Networks(tmp_path), Background())
    for _ in range(3):
        assert "compiled" in found.answer("state", OPENING)["compiling"]
    assert len(started) == 1 and "play" in started[0][-1]
    said[0], Process.code = "", 0
    assert found.answer("state", OPENING)["move"] == 3
    assert found.answer("load", {}, sgf=base64.b64encode(b"(;FF[4]SZ[9])").decode())["game"]["size"] == 9
