"""The rules against a slow board of sets, against sgfmill and against GNU Go, move by move."""

import random
import subprocess
import sys

import numba
import numpy as np
import pytest
from numba.core import caching
from sgfmill import boards
from tests.reference.go_rules import SlowBoard
from tests.worlds.go.gnugo import GnuGo, gnugo

from convscope.errors import UsageError
from convscope.worlds.go import Board, IllegalMove, Rules, handicap_points, parse_vertex, vertex
from convscope.worlds.go.rules import engine
from convscope.worlds.go.rules.compiled import compiled

COLOURS = {1: "b", 2: "w"}


def points(mask):
    return {(int(y), int(x)) for y, x in zip(*np.nonzero(mask), strict=True)}


def stones(board):
    return {(int(y), int(x)): int(board.stones[y, x]) for y, x in zip(*np.nonzero(board.stones), strict=True)}


def random_move(board, draw):
    """Return a random legal move, a pass now and then, and where there is no other."""
    legal = sorted(points(board.legal_moves()))
    return draw.choice(legal) if legal and draw.random() > 0.01 else None


@pytest.mark.parametrize("suicide", [False, True])
@pytest.mark.parametrize(("size", "seed"), [(2, 1), (3, 2), (5, 3), (5, 4), (7, 5)])
def test_random_games_agree_with_slow_board(size, seed, suicide):
    draw, board, slow = random.Random(seed), Board(size, Rules(suicide=suicide)), SlowBoard(size, suicide)
    for _ in range(150):
        for colour in (1, 2):
            assert points(board.legal_moves(colour)) == slow.legal(colour)
        move, colour = random_move(board, draw), board.to_play
        board.play(move)
        if move is None:
            slow.ko = None
        else:
            slow = slow.after(move, colour)
            assert slow is not None
        assert stones(board) == slow.stones
        assert [board.prisoners(c) for c in (1, 2)] == [slow.prisoners[c] for c in (1, 2)]
        for point in slow.stones:
            assert board.liberties(point) == len(slow.liberties(point))
            assert set(board.chain(point)) == slow.chain(point)


@pytest.mark.parametrize("suicide", [False, True])
def test_superko_forbids_exactly_what_repeats(suicide):
    refused = 0
    for seed in range(16):
        size = 2 + seed % 2
        draw, board, slow = (
            random.Random(seed),
            Board(size, Rules(0, suicide, True)),
            SlowBoard(size, suicide),
        )
        seen = {slow.position()}
        for _ in range(40):
            of = board.to_play
            expected = set()
            for point in slow.legal(of):
                after = slow.after(point, of)
                assert after is not None
                expected |= {point} if after.position() not in seen else set()
            refused += len(slow.legal(of)) - len(expected)
            assert points(board.legal_moves()) == expected
            for point in slow.legal(of) - expected:
                with pytest.raises(IllegalMove, match="repeat") as caught:
                    board.play(point)
                assert caught.value.reason == "superko"
            move = random_move(board, draw)
            board.play(move)
            if move is None:
                slow.ko = None
            else:
                slow = slow.after(move, of)
                assert slow is not None
                seen.add(slow.position())
    assert refused > 20, "hardly a game came to a repetition"


@pytest.mark.parametrize("size", [9, 19])
def test_random_games_agree_with_sgfmill(size):
    for seed in range(4):
        draw, board, other = random.Random(seed), Board(size), boards.Board(size)
        for _ in range(size * size):
            move, colour = random_move(board, draw), COLOURS[board.to_play]
            board.play(move)
            if move is not None:
                other.play(size - 1 - move[0], move[1], colour)
        expected = {
            (size - 1 - row, column): 1 + "bw".index(c) for c, (row, column) in other.list_occupied_points()
        }
        assert stones(board) == expected
        score = board.score()
        assert score.black - score.white == other.area_score()


def gnugo_state(engine: GnuGo, occupied):
    """Return GNU Go's legal points, stones, prisoners and liberties."""
    chains = [f"countlib {name}" for name in occupied]
    answers = engine.ask(
        "all_legal b", "all_legal w", "list_stones b", "list_stones w", "captures b", "captures w", *chains
    )
    return [set(answer.split()) for answer in answers[:4]], answers[4:6], answers[6:]


def play_against_gnugo(engine: GnuGo, size: int, seed: int, longest: int) -> int:
    """Play a random game on both boards, comparing everything after each move; return the number of moves."""
    draw, board = random.Random(seed), Board(size)
    engine.ask(f"boardsize {size}", "clear_board")
    while len(board.history) < longest and not board.is_over:
        move, colour = random_move(board, draw), board.to_play
        engine.ask(f"play {COLOURS[colour]} {vertex(move, size)}")
        board.play(move)
        sets, prisoners, liberties = gnugo_state(engine, [vertex(p, size) for p in stones(board)])
        legal = [{vertex(p, size) for p in points(board.legal_moves(c))} for c in (1, 2)]
        placed = [{vertex(p, size) for p, c in stones(board).items() if c == of} for of in (1, 2)]
        assert sets == [*legal, *placed], f"seed {seed}, move {len(board.history)}\n{board}"
        assert prisoners == [str(board.prisoners(c)) for c in (1, 2)]
        assert liberties == [str(board.liberties(p)) for p in stones(board)]
    return len(board.history)


@pytest.mark.parametrize(("size", "options"), [(9, ()), (5, ("--allow-suicide",))])
def test_random_games_agree_with_gnugo(size, options):
    rules = Rules(suicide="--allow-suicide" in options)
    with gnugo(*options) as other:
        if rules.suicide:
            assert play_suicides_against_gnugo(other, size)
        else:
            assert sum(play_against_gnugo(other, size, seed, 130) for seed in range(24)) > 2000


def play_suicides_against_gnugo(other: GnuGo, size: int) -> int:
    """Play random games in which suicide of several stones is legal; return how many stones were lost so."""
    lost = 0
    for seed in range(12):
        draw, board = random.Random(seed), Board(size, Rules(suicide=True))
        other.ask(f"boardsize {size}", "clear_board")
        for _ in range(80):
            move, colour = random_move(board, draw), board.to_play
            other.ask(f"play {COLOURS[colour]} {vertex(move, size)}")
            lost += min(board.play(move), 0)
            assert {vertex(p, size) for p in points(board.legal_moves())} == set(
                other.ask(f"all_legal {COLOURS[board.to_play]}")[0].split()
            )
            assert other.ask("captures b", "captures w") == [str(board.prisoners(c)) for c in (1, 2)]
    return -lost


@pytest.mark.exhaustive
def test_a_thousand_random_games_agree_with_gnugo(capsys):
    with gnugo() as other:
        plies = sum(play_against_gnugo(other, 9, 1000 + seed, 150) for seed in range(1000))
    with capsys.disabled():
        print(f"\n1,000 games, {plies:,} moves compared")
    assert plies > 50_000


@pytest.mark.parametrize("size", [9, 13, 19, 7, 8, 10])
def test_handicaps_are_those_of_gnugo(size):
    with gnugo() as other:
        for count in range(2, 10 if size % 2 and size > 7 else 5):
            _, _, placed = other.ask(f"boardsize {size}", "clear_board", f"fixed_handicap {count}")
            board = Board(size)
            board.place_handicap(count)
            assert {vertex(p, size) for p in stones(board)} == set(placed.split()), count
            assert board.to_play == 2
        with pytest.raises(UsageError, match="handicap"):
            handicap_points(size, 10)


def test_undo_gives_back_every_position():
    draw, board, kept = random.Random(7), Board(6, Rules(superko=True)), []
    for _ in range(90):
        kept.append((board.state.copy(), points(board.legal_moves()), board.history))
        board.play(random_move(board, draw))
    for state, legal, history in reversed(kept):
        board.undo()
        assert np.array_equal(board.state, state)
        assert (points(board.legal_moves()), board.history) == (legal, history)
    with pytest.raises(UsageError, match="take back"):
        board.undo()


def test_state_of_set_up_stones_is_that_of_a_game():
    draw = random.Random(3)
    for _ in range(5):
        board = Board(9)
        for _ in range(60):
            board.play(random_move(board, draw))
        again = Board.from_stones(board.stones)
        for point in stones(board):
            assert again.chain(point) == board.chain(point)
            assert again.liberties(point) == board.liberties(point)


def test_hash_is_that_of_the_move_made():
    draw, board, table = random.Random(5), Board(5, Rules(suicide=True)), engine_table(5)
    for _ in range(80):
        before = np.uint64(engine.position_hash(board.state, 5, table))
        for point in points(board.legal_moves()):
            index, after = (point[0] + 1) * 6 + point[1] + 1, board.copy()
            of = board.to_play
            predicted = engine.hash_after(board.state, 5, index, of, table, before)
            after.play(point)
            assert predicted == engine.position_hash(after.state, 5, table)
        board.play(random_move(board, draw))


def engine_table(size):
    return np.random.default_rng(1).integers(0, 2**64, (2, engine.points(size)), np.uint64)


def test_snapback_is_no_ko():
    board = Board.from_stones(
        np.array([[0, 1, 2, 0, 0], [1, 0, 2, 0, 0], [0, 2, 1, 2, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]),
        to_play=2,
    )
    assert board.play("B4") == 0
    assert board.liberties((1, 1)) >= 1


def test_ko_may_be_taken_back_after_another_move():
    shape = ".XO./X.XO/.XO./....".replace("X", "1").replace("O", "2").replace(".", "0").split("/")
    board = Board.from_stones(np.array([list(map(int, row)) for row in shape]), to_play=2)
    assert board.play((1, 1)) == 1
    assert board.ko == (1, 2)
    with pytest.raises(IllegalMove, match="ko") as caught:
        board.play((1, 2))
    assert caught.value.reason == "ko"
    board.play((3, 0))
    board.play((3, 3))
    assert board.play((1, 2)) == 1


def test_capture_comes_before_suicide():
    shape = ["0120", "1220", "1100", "0000"]
    board = Board.from_stones(np.array([list(map(int, row)) for row in shape]), to_play=1)
    assert board.is_legal((0, 0), 1)
    board = Board.from_stones(np.array([[0, 2, 1], [2, 1, 1], [1, 0, 0]]), to_play=1)
    assert board.play((0, 0)) == 2
    assert board.prisoners(1) == 2


@pytest.mark.parametrize(
    ("text", "point"), [("A1", (8, 0)), ("j9", (0, 8)), ("H4", (5, 7)), ("pass", None), ("PASS ", None)]
)
def test_vertices(text, point):
    assert parse_vertex(text, 9) == point
    assert parse_vertex(vertex(point, 9), 9) == point


@pytest.mark.parametrize(
    "text", ["I5", "K1", "A0", "A10", "", "A", "5A", "A-1", "A1.0", "A²", "résigné", "\x00"]
)
def test_points_beside_the_board_are_refused(text):
    with pytest.raises(IllegalMove, match="A1 to J9"):
        parse_vertex(text, 9)


@pytest.mark.parametrize("size", [-1, 0, 1, 26])
def test_sizes_without_a_board_are_refused(size):
    with pytest.raises(UsageError, match="2 to 25"):
        Board(size)


def test_stones_without_liberties_are_refused():
    with pytest.raises(UsageError, match="liberty"):
        Board.from_stones(np.array([[1, 2], [2, 0]]))
    board = Board(2)
    with pytest.raises(UsageError, match="liberty"):
        board.set_up(black=[(0, 0)], white=[(0, 1), (1, 0)])
    assert not board.stones.any()


def test_functions_are_compiled_where_nothing_can_be_cached(monkeypatch):
    """As where neither the package's folder nor the user's cache can be written to."""
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    with pytest.raises(RuntimeError, match="cannot cache"):
        numba.njit(cache=True)(lambda x: x)

    @compiled
    def double(x):
        return 2 * x

    assert double(21) == 42


def test_a_missing_numba_is_named():
    code = "import sys; sys.modules['numba'] = None\nfrom convscope.worlds.go import Board"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MissingError" in found.stderr and "pip install numba sgfmill" in found.stderr
