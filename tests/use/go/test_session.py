"""A game in words: what is typed, what is told, what is kept."""

import random

import numpy as np
import pytest
from sgfmill import boards
from tests.use.go.positions import Captures

from convscope.use.go import GameSession, PolicyPlayer, random_player
from convscope.use.go.session import WORDS
from convscope.worlds.go import Board, Rules, read_sgf, vertex


def session(size: int = 5, people: frozenset[int] = frozenset({1}), **options) -> GameSession:
    return GameSession(lambda _: random_player(1), Board(size, Rules(0.5)), people, **options)


def said(made: GameSession, *lines: str) -> str:
    return "\n".join(text for line in lines for turn in made.answer(line) for text in turn.said)


def test_a_move_is_answered_and_the_board_is_shown() -> None:
    made = session()
    list(made.begin())
    (turn,) = made.answer("c3")
    assert len(made.board.history) == 2 and turn.view is not None
    assert turn.view.rows[2][2] == "X" and "".join(turn.view.rows).count("O") == 1
    assert turn.view.last == vertex(made.board.history[1].point, 5)
    assert f"White plays {turn.view.last}" in turn.said[0]
    assert turn.view.heat is None


def test_the_player_begins_where_the_person_is_white() -> None:
    made = session(people=frozenset({2}))
    turns = list(made.begin())
    assert len(made.board.history) == 1 and made.board.to_play == 2
    assert "You are white" in turns[0].said[0] and made.prompt == "White, move 2>"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("c3", "a stone already"),
        ("k3", "not on the board"),
        ("A99999999999999999999", "not on the board"),
        ("A1", "no liberty"),
        ("frobnicate", "a point such as D4"),
        ("scroe", "Did you mean score?"),
        ("c3 d4", "a point such as D4"),
        ("hint maybe", "hint on or hint off"),
        ("save", "a name for the file"),
        ("save /", "a file that"),
        ("save no/such/folder/a.sgf", "a file that can be written"),
        ("save a\x00b", "a file that can be written"),
        ("load", "the name of an SGF file"),
        ("load nowhere.sgf", "an SGF file at nowhere.sgf"),
        ("ｃ３", "a point such as D4"),
        ("\x1b[2J", "a point such as D4"),
    ],
)
def test_wrong_lines_are_explained_and_change_nothing(line: str, expected: str) -> None:
    made = session(people=frozenset({1, 2}))
    for move in ("A2", "C3", "B1", "pass"):
        list(made.answer(move))
    made.board.to_play = 2
    before = made.board.copy()
    assert expected in said(made, line)
    assert made.board.history == before.history and np.array_equal(made.board.state, before.state)
    assert not made.ended


def test_a_ko_is_named() -> None:
    made = session(people=frozenset({1, 2}))
    for move in ("B5", "C5", "A4", "D4", "B3", "C3", "C4", "B4"):
        list(made.answer(move))
    assert "ko" in said(made, "C4")


def test_undo_gives_the_move_back_to_the_person() -> None:
    made = session()
    list(made.answer("C3"))
    assert "C3" in said(made, "undo") and not made.board.history
    assert "to take back" in said(made, "undo")
    both = session(people=frozenset({1, 2}))
    for move in ("C3", "D4", "undo"):
        list(both.answer(move))
    assert [move.point for move in both.board.history] == [(2, 2)]


def test_hints_are_hidden_until_they_are_asked_for() -> None:
    made = GameSession(lambda _: PolicyPlayer(Captures()), Board(5), frozenset({1}))
    (first,) = made.begin()
    assert first.view is not None and first.view.heat is None
    (shown,) = made.answer("hint")
    assert shown.view is not None and shown.view.heat is not None
    assert sum(map(sum, shown.view.heat)) == pytest.approx(1.0)
    assert "Hints: A5 4%" in shown.said[0]
    assert made.view().heat is None
    list(made.answer("hint on"))
    (after,) = made.answer("C3")
    assert after.view is not None and after.view.heat is not None and "Hints" in after.said[-1]
    (hidden,) = made.answer("hint off")
    assert hidden.view is not None and hidden.view.heat is None and made.view().heat is None


def test_hints_follow_the_policy() -> None:
    made = GameSession(lambda _: PolicyPlayer(Captures()), Board(5), frozenset({1, 2}))
    for move in ("C3", "B3", "E5", "D3", "E4", "C4", "pass"):
        list(made.answer(move))
    assert "Hints: C2 " in said(made, "hint")  # takes C3


def test_games_are_saved_and_loaded_and_never_written_over(tmp_path) -> None:
    made, path = session(), tmp_path / "game.sgf"
    list(made.answer("C3"))
    history = made.board.history
    assert "Saved" in said(made, f"save {path}")
    content = path.read_bytes()
    assert "does not exist yet" in said(made, f"save {path}") and path.read_bytes() == content
    assert read_sgf(path).moves == history and read_sgf(path).black_name == "you"
    list(made.answer("D2"))
    list(made.answer(f"load {path}"))
    assert made.board.history == history and made.board.rules.komi == 0.5
    assert [len(game.moves) for game in made.games()] == [4, 2]
    list(made.answer("new"))
    assert not made.board.history and [len(game.moves) for game in made.games()] == [4, 2]


def test_who_resigns_has_lost() -> None:
    made = session()
    list(made.answer("C3"))
    assert "W+R" in said(made, "resign") and made.ended and made.result == "W+R"
    assert made.game().result == "W+R"


def test_the_score_names_what_seems_dead() -> None:
    made = session(6)
    rows = ("..X..O", "..XOOO", "OXXO.O", "..XOOO", "..XO.O", "..XO..")
    for y, row in enumerate(rows):
        for x, sign in enumerate(row):
            if sign != ".":
                made.board.set_up(**{"black" if sign == "X" else "white": [(y, x)]})
    text = said(made, "score")
    assert "every stone alive: W+" in text and "dead (A4): B+1.5" in text


def test_every_word_is_in_the_help() -> None:
    text = said(session(), "help")
    assert all(word in text for word in WORDS)
    assert said(session(), "?") == text


@pytest.mark.parametrize("seed", range(3))
def test_whole_games_end_with_the_score_of_another_program(seed: int) -> None:
    """Two people play random moves until both pass; sgfmill counts the same board."""
    draw, made = random.Random(seed), session(people=frozenset({1, 2}))
    other, moves = boards.Board(5), 0
    while not made.ended:
        places = [tuple(map(int, place)) for place in np.argwhere(made.board.legal_moves())]
        point = draw.choice(places) if places and moves < 60 else None
        if point is not None:
            other.play(4 - point[0], point[1], "bw"[made.board.to_play - 1])
        list(made.answer(vertex(point, 5)))
        moves += 1
    stated = other.area_score() - 0.5
    assert str(made.board.score()) == f"{'B' if stated > 0 else 'W'}+{abs(stated):g}"
    assert made.result[:2] in ("B+", "W+")


def test_a_whole_game_against_a_player() -> None:
    made, draw = session(), random.Random(5)
    turns = list(made.begin())
    while not made.ended and len(made.board.history) < 300:
        free = [(y, x) for y in range(5) for x in range(5) if not made.board.stones[y, x]]
        line = vertex(draw.choice(free), 5) if free and len(made.board.history) < 30 else "pass"
        turns += made.answer(line)
    assert made.ended and made.result and made.board.is_over
    assert "Both have passed." in turns[-1].said and f"Result: {made.result}." in turns[-1].said
    assert made.game().result == made.result
