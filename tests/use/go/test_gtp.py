"""The engine for GTP: its commands, its answers to nonsense, analyses as Sabaki reads them, whole games."""

import random
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.use.go.positions import Captures, board_of
from tests.worlds.go.gnugo import gnugo

from convscope.errors import UsageError
from convscope.use.go import (
    Analysis,
    Candidate,
    GtpEngine,
    PolicyPlayer,
    SearchConfig,
    SearchPlayer,
    TreeSearch,
    random_player,
)
from convscope.use.go.gtp.analysis import AnalysisRequest, parse_request, report
from convscope.use.go.gtp.engine import COMMANDS
from convscope.worlds.go import Board, Rules, vertex


def engine(size: int = 9, visits: int = 20, **options) -> GtpEngine:
    return GtpEngine(
        lambda _: SearchPlayer(TreeSearch(Captures(), SearchConfig(visits))),
        size=size,
        version="1",
        **options,
    )


def ask(made: GtpEngine, *lines: str) -> list[str]:
    return ["".join(made.respond(line)) for line in lines]


SESSION = [
    ("name", "= convscope"),
    ("version", "= 1"),
    ("protocol_version", "= 2"),
    ("12 protocol_version", "=12 2"),
    ("007 name # a comment", "=007 convscope"),
    ("\tname\r\n", "= convscope"),
    ("na\x07me", "= convscope"),
    ("known_command genmove", "= true"),
    ("known_command frobnicate", "= false"),
    ("known_command", "? syntax error"),
    ("frobnicate", "? unknown command"),
    ("3 frobnicate 4 5", "?3 unknown command"),
    ("NAME", "? unknown command"),
    ("clear_board", "="),
    ("boardsize 9", "="),
    ("boardsize 1", "? unacceptable size"),
    ("boardsize 26", "? unacceptable size"),
    ("boardsize nine", "? syntax error"),
    ("boardsize 9 9", "? syntax error"),
    ("query_boardsize", "= 9"),
    ("komi 6.5", "="),
    ("komi -0.5", "="),
    ("get_komi", "= -0.5"),
    ("komi nan", "? syntax error"),
    ("komi", "? syntax error"),
    ("play b D4", "="),
    ("play BLACK c3", "="),
    ("play b e5", "="),
    ("play w D4", "? illegal move"),
    ("play w K10", "? illegal move"),
    ("play w I5", "? syntax error"),
    ("play w D0", "? syntax error"),
    ("play x D5", "? syntax error"),
    ("play w", "? syntax error"),
    ("play w D4 D5", "? syntax error"),
    ("play W PASS", "="),
    ("list_stones b", "= E5 D4 C3"),
    ("list_stones w", "="),
    ("is_legal w D4", "= 0"),
    ("is_legal w D5", "= 1"),
    ("undo", "="),
    ("undo", "="),
    ("list_stones b", "= D4 C3"),
    ("fixed_handicap 2", "? board not empty"),
    ("clear_board", "="),
    ("undo", "? cannot undo"),
    ("fixed_handicap 10", "? invalid number of stones"),
    ("fixed_handicap 1", "? invalid number of stones"),
    ("fixed_handicap 4", "= C3 G7 C7 G3"),
    ("undo", "? cannot undo"),
    ("clear_board", "="),
    ("place_free_handicap 1", "? invalid number of stones"),
    ("place_free_handicap 30", "= C3 G7 C7 G3 C5 G5 E7 E3 E5"),
    ("clear_board", "="),
    ("set_free_handicap D4", "? bad vertex list"),
    ("set_free_handicap D4 D4", "? bad vertex list"),
    ("set_free_handicap D4 pass", "? bad vertex list"),
    ("set_free_handicap D4 Z4", "? bad vertex list"),
    ("set_free_handicap D4 E5 C3", "="),
    ("set_free_handicap D4 E5", "? board not empty"),
    ("list_stones b", "= E5 D4 C3"),
    ("time_settings 0 5 1", "="),
    ("time_settings 0 0 0", "="),
    ("time_settings 0 5 0", "="),
    ("time_settings 5", "? syntax error"),
    ("time_settings -5 0 0", "? syntax error"),
    ("kgs-time_settings none", "="),
    ("kgs-time_settings absolute 10", "="),
    ("kgs-time_settings byoyomi 10 5 3", "="),
    ("kgs-time_settings canadian 10 5 3", "="),
    ("kgs-time_settings japanese 10", "? syntax error"),
    ("kgs-time_settings", "? syntax error"),
    ("time_left b 10 0", "="),
    ("time_left b 10", "? syntax error"),
    ("final_status_list lively", "? syntax error"),
    ("loadsgf nowhere.sgf", "? cannot load file"),
    ("loadsgf", "? syntax error"),
    ("quit", "="),
]


def test_a_session_with_every_kind_of_answer() -> None:
    made = engine()
    for line, expected in SESSION:
        assert ask(made, line) == [f"{expected}\n\n"], line
    assert made.closed


@pytest.mark.parametrize(
    "line", ["", "   ", "\t", "\r\n", "# only a comment", "\x00\x01", "5 # a number\r\n"]
)
def test_lines_without_a_command_are_not_answered(line: str) -> None:
    answer = "".join(engine().respond(line))
    assert answer == ("?5 unknown command\n\n" if line.startswith("5") else "")


def test_the_list_of_commands_is_what_is_known() -> None:
    (answer,) = ask(engine(), "list_commands")
    names = answer.removeprefix("= ").split()
    assert names == list(COMMANDS) and len(set(names)) == len(names)
    standard = (
        "protocol_version name version known_command list_commands quit boardsize clear_board komi "
        "fixed_handicap place_free_handicap set_free_handicap play genmove undo time_settings time_left "
        "final_score final_status_list loadsgf reg_genmove showboard kgs-time_settings analyze lz-analyze "
        "kata-analyze genmove_analyze lz-genmove_analyze kata-genmove_analyze"
    )
    assert set(standard.split()) <= set(names)


def test_any_order_of_setting_up() -> None:
    for lines in (("boardsize 5", "clear_board"), ("clear_board", "boardsize 5")):
        made = engine()
        ask(made, "time_settings 10 0 0", "komi 0.5", *lines)
        assert made.board.size == 5 and made.board.rules.komi == 0.5 and not made.board.stones.any()
    first, second = engine(5), engine(5)
    stones = ["play b A1", "play w C3", "play b B1", "play w D4", "play w E5", "play b A2"]
    ask(first, *stones)
    ask(second, *reversed(stones))
    assert np.array_equal(first.board.stones, second.board.stones)


def test_a_size_that_nobody_plays_is_refused() -> None:
    def only_nine(size: int):
        if size != 9:
            raise UsageError("a board of 9x9")
        return random_player(1)

    made = GtpEngine(only_nine, size=9)
    assert ask(made, "boardsize 13", "boardsize 9") == ["? unacceptable size\n\n", "=\n\n"]


@pytest.mark.parametrize(
    ("command", "limit"), [("0 0 0", None), ("5 5 0", None), ("60 0 0", 2.0), ("0 5 1", 4.5)]
)
def test_the_player_is_told_its_time(command: str, limit: float | None) -> None:
    told = []

    class Timed(PolicyPlayer):
        def iter_search(self, board, seconds=None):
            told.append(seconds)
            return super().iter_search(board, seconds)

    made = GtpEngine(lambda _: Timed(Captures()), size=9)
    assert ask(made, f"time_settings {command}")[0] == "=\n\n"
    ask(made, "genmove b", "time_left w 12 0", "genmove w")
    assert told[0] == (None if limit is None else pytest.approx(limit))
    assert told[1] == pytest.approx(0.9 * max(12 / (80 / 3), 5 if command == "0 5 1" else 0))


def test_moves_are_generated_for_either_colour_and_made() -> None:
    made = engine(5)
    answers = ask(made, "genmove b", "genmove b", "genmove w", "reg_genmove w")
    points = [answer.removeprefix("= ").strip() for answer in answers]
    assert [vertex(move.point, 5) for move in made.board.history] == points[:3]
    assert [move.colour for move in made.board.history] == [1, 1, 2]


def test_the_board_is_shown_without_an_empty_line_inside() -> None:
    (answer,) = ask(engine(5), "showboard")
    assert answer.startswith("=\n 5 . . . . .\n") and answer.count("\n\n") == 1 and answer.endswith("\n\n")


def test_games_go_out_and_come_back_as_sgf(tmp_path) -> None:
    made, path = engine(5), tmp_path / "a game.sgf"
    ask(made, "komi 3.5", "play b C3", "play b B2", "play w pass", "play w D4")
    path.write_text(ask(made, "printsgf")[0].removeprefix("= "))
    other = engine(9)
    assert ask(other, f"loadsgf {path}") == ["=\n\n"]
    assert other.board.size == 5 and other.board.rules.komi == 3.5
    assert other.board.history == made.board.history
    assert ask(other, f"loadsgf {path} 3") == ["=\n\n"]
    assert len(other.board.history) == 2
    (tmp_path / "bad.sgf").write_text("(;SZ[5];B[cc];W[cc])")
    assert ask(other, f"loadsgf {tmp_path / 'bad.sgf'}") == ["? cannot load file\n\n"]
    assert len(other.board.history) == 2


def test_the_score_leaves_out_dead_stones() -> None:
    made = engine(6)
    ask(made, "komi 0.5")
    rows = ("..X..O", "..XOOO", "OXXO.O", "..XOOO", "..XO.O", "..XO..")
    for y, row in enumerate(rows):
        for x, sign in enumerate(row):
            if sign != ".":
                made.board.set_up(**{"black" if sign == "X" else "white": [(y, x)]})
    score, dead, alive, seki = ask(
        made, "final_score", "final_status_list dead", "final_status_list alive", "final_status_list seki"
    )
    assert (score, dead, seki) == ("= B+1.5\n\n", "= A4\n\n", "=\n\n")
    assert sorted(alive.removeprefix("= ").split()) == sorted(
        vertex((y, x), 6)
        for y, row in enumerate(rows)
        for x, s in enumerate(row)
        if s != "." and (y, x) != (2, 0)
    )


# Analysis


def sabaki(line: str) -> list[dict[str, str]]:
    """What Sabaki makes of a line: pairs of a key and a value, and a line of play at the end of each."""
    line = re.split(r"ownership\s+", line)[0].strip()
    found = []
    for part in [part.strip() for part in re.split(r"\s*info\s+", line)[1:]]:
        match = re.search(r"(pass|[A-Za-z]\d+)(\s+(pass|[A-Za-z]\d+))*$", part)
        assert match is not None, part
        words = part[: match.start()].split()
        assert words.pop() == "pv" and len(words) % 2 == 0
        found.append(dict(zip(words[::2], words[1::2], strict=True)) | {"pv": match[0]})
    return found


def test_reports_are_written_as_leela_zero_and_katago_write_them() -> None:
    line = ((2, 2), (0, 4), None)
    moves = (Candidate((2, 2), 57, -0.0688, 0.121, line), Candidate(None, 0, 0.0, 0.25, (None,)))
    found, board = Analysis(57, -0.0688, moves), Board(5)
    lz = "info move C3 visits 57 winrate 4656 prior 1210 order 0 pv C3 E5 pass"
    kata = "info move C3 visits 57 utility -0.068800 winrate 0.465600 prior 0.121000 order 0 pv C3 E5 pass"
    unseen = "info move pass visits 0 winrate 5000 prior 2500 order 1 pv pass"
    assert report(found, board, AnalysisRequest(1)) == lz
    assert report(found, board, AnalysisRequest(1), kata=True) == kata
    assert report(found, board, AnalysisRequest(1, least=2)) == f"{lz} {unseen}"
    assert report(found, board, AnalysisRequest(1, least=2, most=1)) == lz


def test_owners_are_those_of_the_player_to_move() -> None:
    board = board_of(".X.\nXXX\nX.X")
    moves = (Candidate((0, 0), 1, 0.0, 1.0, ((0, 0),)),)
    for to_play, owned in ((1, "1.000"), (2, "-1.000")):
        board.to_play = to_play
        text = report(Analysis(1, 0.0, moves), board, AnalysisRequest(to_play, ownership=True))
        assert text.endswith(f"ownership {' '.join([owned] * 9)}")


def test_requests_are_parsed() -> None:
    asked = parse_request(("w", "50", "minmoves", "2", "maxmoves", "7", "ownership", "true"), 1, 5)
    assert (asked.colour, asked.interval, asked.least, asked.most) == (2, 0.5, 2, 7)
    assert asked.ownership and asked.allowed is None
    assert parse_request(("interval", "25"), 1, 5).interval == 0.25
    avoided = parse_request(("avoid", "b", "C3,D4", "1", "avoid", "w", "A1", "1"), 1, 5).allowed
    assert avoided is not None and [tuple(place) for place in np.argwhere(~avoided)] == [(1, 3), (2, 2)]
    allowed = parse_request(("allow", "b", "C3,D4", "1"), 1, 5).allowed
    assert allowed is not None and [tuple(place) for place in np.argwhere(allowed)] == [(1, 3), (2, 2)]


@pytest.mark.parametrize("name", ["analyze", "lz-analyze", "kata-analyze"])
@pytest.mark.parametrize("words", ["b 0", "0", "interval 0", "B interval 0 maxmoves 3"])
def test_analyses_are_lines_until_there_is_input(name: str, words: str) -> None:
    made, polled = engine(5, visits=16), []

    def waits(seconds: float) -> bool:
        polled.append(seconds)
        return len(polled) > 12

    made.input_waits = waits
    (answer,) = ask(made, f"7 {name} {words}")
    head, *lines, empty, _ = answer.split("\n")
    assert (head, empty) == ("=7", "") and len(lines) > 3
    for line in lines:
        moves = sabaki(line)
        assert moves and int(moves[0]["visits"]) >= int(moves[-1]["visits"])
        assert ("." in moves[0]["winrate"]) == (name == "kata-analyze")
        high = 1 if name == "kata-analyze" else 10_000
        assert all(
            0 <= float(move["winrate"]) <= high and 0 <= float(move["prior"]) <= high for move in moves
        )
        assert [int(move["order"]) for move in moves] == list(range(len(moves)))
        assert all(move["pv"].split()[0] == move["move"] for move in moves)
        assert "maxmoves" not in words or len(moves) <= 3
    assert not made.board.history


def test_what_is_asked_for_is_what_is_reported() -> None:
    made = engine(5, visits=16)
    polls = iter([False] * 6 + [True] * 100)
    made.input_waits = lambda _: next(polls)
    (answer,) = ask(made, "kata-analyze w interval 0 allow w C3,D4 1 ownership true")
    lines = answer.split("\n")[1:-2]
    assert {move["move"] for line in lines for move in sabaki(line)} <= {"C3", "D4"}
    owners = [float(word) for word in lines[-1].split("ownership ")[1].split()]
    assert len(owners) == 25 and all(-1 <= value <= 1 for value in owners)
    made.input_waits = lambda _: True
    assert ask(made, "kata-analyze b 10 rootInfo true pvVisits true") == ["=\n\n"]
    assert ask(made, "kata-analyze b 10 rootInfo 3") == ["? syntax error\n\n"]
    assert ask(made, "lz-analyze b 10 frobnicate 3") == ["? syntax error\n\n"]
    assert ask(made, "lz-analyze b 10 avoid b Z9 1") == ["? syntax error\n\n"]
    assert ask(made, "lz-analyze b 10 avoid b C3,D4 5 avoid w A1 3") == ["=\n\n"]


@pytest.mark.parametrize("name", ["genmove_analyze", "lz-genmove_analyze", "kata-genmove_analyze"])
def test_generated_moves_are_analysed_and_made(name: str) -> None:
    made = engine(5, visits=40)
    (answer,) = ask(made, f"3 {name} b 0")
    head, *lines, last, empty, _ = answer.split("\n")
    assert (head, empty) == ("=3", "") and lines
    best = sabaki(lines[-1])[0]["move"]
    assert last == f"play {best}"
    assert [vertex(move.point, 5) for move in made.board.history] == [best]
    assert ask(made, f"{name} x") == ["? syntax error\n\n"]


def test_a_policy_alone_is_analysed_too() -> None:
    made = GtpEngine(lambda _: PolicyPlayer(Captures()), size=5)
    (answer,) = ask(made, "lz-genmove_analyze b 10")
    assert len(sabaki(answer.split("\n")[1])) == 1 and "play " in answer


def test_a_game_that_is_over_is_still_analysed() -> None:
    made = engine(5)
    polls = iter([False] * 4 + [True] * 100)
    made.input_waits = lambda _: next(polls)
    answer = ask(made, "play b pass", "play w pass", "lz-analyze b 0", "genmove b")
    assert "info move" in answer[2] and answer[3].startswith("= ")


# Nonsense

WORDS = st.one_of(
    st.sampled_from(
        [*COMMANDS, "b", "w", "D4", "pass", "5", "9", "19", "-1", "1e9", "interval", "avoid", "#"]
    ),
    st.text(max_size=12),
    st.integers(-5, 2**40).map(str),
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.lists(WORDS, max_size=6).map(" ".join), min_size=1, max_size=8))
def test_nonsense_is_answered_in_form(lines: list[str]) -> None:
    made = engine(5, visits=2)
    made.input_waits = lambda _: True
    for line in lines:
        answer = "".join(made.respond(line))
        if answer:
            assert answer[0] in "=?" and answer.endswith("\n\n") and answer.count("\n\n") == 1
        assert made.board.size in range(2, 26)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=80))
def test_bytes_are_answered_in_form(line: bytes) -> None:
    made = engine(5, visits=2)
    answer = "".join(made.respond(line.decode("utf-8", "backslashreplace")))
    assert answer == "" or (answer[0] in "=?" and answer.endswith("\n\n"))


# Whole games beside GNU Go


@pytest.mark.parametrize("seed", range(4))
def test_random_games_are_the_same_as_in_gnu_go(seed: int) -> None:
    draw, size = random.Random(seed), (5, 7, 9, 9)[seed]
    made = engine(size)
    setting = (f"boardsize {size}", "clear_board", "komi 5.5")
    with gnugo("--chinese-rules") as other:
        other.ask(*setting)
        ask(made, *setting)
        colour, passes = "b", 0
        while passes < 2 and len(made.board.history) < 3 * size * size:
            legal = ask(made, f"all_legal {colour}")[0].removeprefix("=").split()
            assert sorted(legal) == sorted(other.ask(f"all_legal {colour}")[0].split())
            move = draw.choice(legal) if legal and draw.random() > 0.02 else "pass"
            passes = passes + 1 if move == "pass" else 0
            other.ask(f"play {colour} {move}")
            assert ask(made, f"play {colour} {move}") == ["=\n\n"]
            colour = "w" if colour == "b" else "b"
        for question in ("list_stones b", "list_stones w", "captures b", "captures w"):
            ours = ask(made, question)[0].removeprefix("=").split()
            assert sorted(ours) == sorted(other.ask(question)[0].split()), question
        for _ in range(5):
            ask(made, "undo")
            other.ask("undo")
        ours = ask(made, "list_stones b")[0].removeprefix("=").split()
        assert sorted(ours) == sorted(other.ask("list_stones b")[0].split())


def test_handicaps_are_those_of_gnu_go() -> None:
    with gnugo() as other:
        for size in (9, 13, 19):
            for stones in range(2, 10):
                commands = (f"boardsize {size}", "clear_board", f"fixed_handicap {stones}")
                ours = ask(engine(size), *commands)[-1].removeprefix("= ").split()
                assert sorted(ours) == sorted(other.ask(*commands)[-1].split())


def test_a_game_against_gnu_go_ends_in_a_score_that_both_see() -> None:
    made = GtpEngine(lambda _: random_player(2), size=5, rules=Rules(0.5))
    with gnugo("--chinese-rules", "--level", "1") as other:
        other.ask("boardsize 5", "clear_board", "komi 0.5")
        passes, moves = 0, 0
        while passes < 2:
            black = ask(made, "genmove b")[0].removeprefix("= ").strip()
            other.ask(f"play b {black}")
            passes = passes + 1 if black == "pass" else 0
            if passes == 2:
                break
            white = other.ask("genmove w")[0]
            if white == "resign":
                break
            assert ask(made, f"play w {white}") == ["=\n\n"]
            passes = passes + 1 if white == "PASS" else 0
            moves += 2
            assert moves < 200
        stones = {c: sorted(other.ask(f"list_stones {c}")[0].split()) for c in "bw"}
        assert {c: sorted(ask(made, f"list_stones {c}")[0].removeprefix("=").split()) for c in "bw"} == stones


def test_a_board_of_its_own_follows_the_engine() -> None:
    made, board = engine(5), Board(5)
    for _ in range(6):
        for colour in "bw":
            point = ask(made, f"genmove {colour}")[0].removeprefix("= ").strip()
            board.play(point)
    assert np.array_equal(board.stones, made.board.stones)
