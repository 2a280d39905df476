"""Ladders: hand-made diagrams, and GNU Go's own reading of the same positions."""

import itertools
import lzma
import random

import numpy as np
import pytest
from tests.worlds.go.gnugo import gnugo

from convscope.worlds.go import Board, vertex


def rows(text):
    """Complete a diagram to nine rows of nine."""
    lines = [line.ljust(9, ".") for line in text.split("/")]
    return "\n".join(lines + ["." * 9] * (9 - len(lines)))


CASES = {
    "a ladder to the edge": (rows("//...XX/..XO"), (3, 3), True),
    "a stone in its way": (rows("//...XX/..XO///......O"), (3, 3), False),
    "a stone beside its way": (rows("//...XX/..XO/////..O"), (3, 3), True),
    "a chain in the open": (rows("////...XO"), (4, 4), False),
    "two liberties on the first line": (rows("///////...X/...O"), (8, 3), True),
    "an attacker that comes into atari": (rows("/...OO/..OXX/..XO"), (3, 3), False),
    "the same attacker with a liberty more": (rows("/...O/..OXX/..XO"), (3, 3), True),
    "a net is no ladder": (rows("///...XX/..XOO./...XX/......X"), (4, 3), False),
    "a chain of three liberties": (rows("//...X/..XO"), (3, 3), False),
}


def board_of(diagram, to_play=1):
    return Board.from_stones(
        np.array([[".XO".index(c) for c in row] for row in diagram.split()]), to_play=to_play
    )


def set_on_gnugo(other, board):
    size = board.size
    commands = [f"boardsize {size}", "clear_board"]
    for y, x in zip(*np.nonzero(board.stones), strict=True):
        commands.append(f"play {'bw'[board.stones[y, x] - 1]} {vertex((int(y), int(x)), size)}")
    other.ask(*commands)


@pytest.mark.parametrize("name", CASES)
def test_diagrams(name):
    diagram, stone, caught = CASES[name]
    assert (board_of(diagram).ladder_attack(stone) is not None) == caught


@pytest.mark.parametrize("name", CASES)
def test_diagrams_look_the_same_from_all_sides(name):
    diagram, (y, x), caught = CASES[name]
    stones, mark = board_of(diagram).stones, np.zeros((9, 9), bool)
    mark[y, x] = True
    for turns in range(4):
        for flip in (False, True):
            turned, where = np.rot90(stones, turns), np.rot90(mark, turns)
            turned, where = (turned.T, where.T) if flip else (turned, where)
            stone = tuple(int(k[0]) for k in np.nonzero(where))
            for swap in (1, 2):
                colours = np.where(turned > 0, (turned + swap) % 2 + 1, 0)
                assert (Board.from_stones(colours).ladder_attack(stone) is not None) == caught


@pytest.mark.parametrize("name", CASES)
def test_diagrams_agree_with_gnugo(name):
    diagram, stone, _ = CASES[name]
    board = board_of(diagram)
    if board.liberties(stone) != 2:
        return
    with gnugo() as other:
        set_on_gnugo(other, board)
        answer = other.ask(f"ladder_attack {vertex(stone, 9)}")[0].split()
    assert (board.ladder_attack(stone) is not None) == (answer[0] != "0")


def ladders_like_gnugo(other, board):
    """Compare each chain of two liberties; return how many, and how many GNU Go answers by a ko."""
    size, compared, kos = board.size, 0, 0
    set_on_gnugo(other, board)
    chains = {board.chain((int(y), int(x)))[0] for y, x in np.argwhere(board.stones)}
    for stone in sorted(p for p in chains if board.liberties(p) == 2):
        answer = other.ask(f"ladder_attack {vertex(stone, size)}")[0].split()[0]
        if answer in ("1", "0"):
            compared += 1
            assert (answer == "1") == (board.ladder_attack(stone) is not None), f"{stone}\n{board}"
        else:
            kos += 1
    return compared, kos


def test_positions_of_random_games_agree_with_gnugo():
    """GNU Go answers 1 where a chain is caught, 0 where it is not, and else that a ko decides."""
    draw, found = random.Random(11), np.zeros(2, int)
    with gnugo() as other:
        for _ in range(24):
            board = Board(9)
            for _ in range(draw.randint(12, 40)):
                legal = np.argwhere(board.legal_moves())
                board.play(tuple(int(k) for k in legal[draw.randrange(len(legal))]))
            found += ladders_like_gnugo(other, board)
    assert found[0] > 60


def test_positions_of_professional_games_agree_with_gnugo(shared_data):
    draw, found = random.Random(5), np.zeros(2, int)
    with lzma.open(shared_data / "go" / "tom_9d_games.tsv.xz", "rt") as lines, gnugo() as other:
        for line in itertools.islice(lines, 20):
            moves = line.split("\t")[3].strip()
            board = Board(19)
            for k in range(0, min(2 * draw.randint(40, 160), len(moves)), 2):
                board.play((ord(moves[k + 1]) - 97, ord(moves[k]) - 97))
            found += ladders_like_gnugo(other, board)
    assert found[0] > 100


def test_long_ladder_on_a_large_board():
    board = Board(19)
    board.set_up(black=[(2, 3), (3, 2), (2, 4)], white=[(3, 3)])
    first = board.ladder_attack((3, 3))
    assert first is not None
    board.play(first, 1)
    moves = 0
    while board.liberties((3, 3)):
        escape = [
            p
            for p in ((y, x) for y in range(19) for x in range(19))
            if not board.stones[p] and board.is_legal(p, 2) and saves(board, p)
        ]
        assert board.ladder_escape((3, 3)) is None
        if not escape:
            break
        board.play(escape[0], 2)
        attack = board.ladder_attack((3, 3))
        if board.liberties((3, 3)) == 1:
            break
        assert attack is not None
        board.play(attack, 1)
        moves += 2
    assert moves > 40


def saves(board, point):
    """Whether a move extends the chain at (3, 3) out of atari."""
    after = board.copy()
    after.play(point, 2)
    return after.liberties((3, 3)) == 2


def test_escape_by_taking_an_attacker():
    board = board_of(rows(".XX/XO.X/OXX/OO"), 2)
    assert (board.liberties((1, 1)), board.liberties((1, 0))) == (1, 1)
    assert board.ladder_escape((1, 1)) == (0, 0)
    board = board_of(rows(".XX/XO.X/.XX/OO"), 2)
    assert board.ladder_escape((1, 1)) is None
