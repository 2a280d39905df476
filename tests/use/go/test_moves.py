"""Which moves players consider: eyes, areas that are safe for good, when to pass; random games to the end."""

import itertools

import numpy as np
import pytest
from tests.use.go.positions import board_of, is_own_eye

from convscope.use.go import (
    candidates,
    choose_move,
    dead_stones,
    play_out,
    random_player,
    safe_areas,
    sensible_moves,
)
from convscope.use.go.moves import ends_by_passing, without_dead
from convscope.worlds.go import Board, Rules


def random_board(size: int, seed: int, moves: int) -> Board:
    draw, board = np.random.default_rng(seed), Board(size)
    for _ in range(moves):
        places = np.argwhere(board.legal_moves())
        board.play(tuple(map(int, places[draw.integers(len(places))])) if len(places) else None)
    return board


@pytest.mark.parametrize("seed", range(10))
def test_sensible_moves_are_legal_and_fill_no_eye(seed: int) -> None:
    board = random_board(5 + seed % 3, seed, 20 + 4 * seed)
    for colour in (1, 2):
        board.to_play = colour
        legal, found = board.legal_moves(), sensible_moves(board)
        for y, x in itertools.product(range(board.size), repeat=2):
            expected = legal[y, x] and not is_own_eye(board, y, x, colour)
            assert found[y, x] == expected, (y, x, str(board))


def can_be_taken(board: Board, point: tuple[int, int], seen: set[bytes]) -> bool:
    """Whether the opponent can take a chain whose owner always passes; every order of moves is tried."""
    other = 3 - int(board.stones[point])
    key = board.stones.tobytes()
    if key in seen:
        return False
    seen.add(key)
    for y, x in np.argwhere(board.legal_moves(other)):
        after = board.copy()
        after.play((int(y), int(x)), other)
        if after.stones[point] != board.stones[point] or can_be_taken(after, point, seen):
            return True
    return False


@pytest.mark.parametrize("seed", range(24))
def test_safe_stones_are_those_that_no_order_of_moves_takes(seed: int) -> None:
    board = random_board(4, seed, 14 + seed)
    owner = safe_areas(board)
    for y, x in np.argwhere(board.stones):
        point = (int(y), int(x))
        safe = owner[point] == board.stones[point]
        assert safe == (not can_be_taken(board, point, set())), (point, str(board))


def test_an_area_is_safe_where_the_other_side_cannot_live() -> None:
    board = board_of(".X.X.\nXXXXX\n.....\nOOOOO\n.O.O.")
    found = safe_areas(board)
    assert (found[:2] == 1).all() and (found[3:] == 2).all() and (found[2] == 0).all()
    large = board_of(".X.X...\nXXXX...\n...XXXX\n.......\n.......\n.......\n.......")
    assert (safe_areas(large)[3:] == 0).all()


def test_candidates_are_outside_of_what_is_settled() -> None:
    settled = board_of(".X.X.\nXXXXX\nXXXXX\nOOOOO\n.O.O.")
    for colour in (1, 2):
        settled.to_play = colour
        assert not candidates(settled).any()
    prisoner = board_of(".XO.X\nXXXXX\nXXXXX\nOOOOO\n.O.O.")
    assert [tuple(map(int, place)) for place in np.argwhere(candidates(prisoner))] == [(0, 3)]
    prisoner.to_play = 2
    assert not candidates(prisoner).any()


def test_a_game_of_any_length_comes_to_an_end() -> None:
    board = Board(3)
    while len(board.history) < 27:
        board.play(None)
    assert not candidates(board).any()


@pytest.mark.parametrize(
    ("komi", "to_play", "expected"), [(0.5, 1, True), (0.5, 2, False), (24.5, 1, True), (25.5, 2, True)]
)
def test_a_pass_is_answered_by_a_pass_where_that_wins(komi: float, to_play: int, expected: bool) -> None:
    board = board_of(".....\n.....\n..X..\n.....\n.....", to_play=3 - to_play, komi=komi)
    assert not ends_by_passing(board)
    board.play(None)
    assert ends_by_passing(board) == expected


def test_a_pass_is_not_answered_by_a_pass_where_dead_stones_win() -> None:
    """As the board stands white wins, because its stone at A4 spoils black's area; but that stone is dead."""
    board = board_of("..X..O\n..XOOO\nOXXO.O\n..XOOO\n..XO.O\n..XO..", to_play=1, komi=0.5)
    board.play(None)
    assert board.score().margin < 0 < without_dead(board).score().margin
    assert not ends_by_passing(board)
    board.set_up(empty=[(2, 0)])
    board.rules = Rules(9.5)
    board.to_play = 1
    board.play(None)
    assert ends_by_passing(board)


@pytest.mark.parametrize("seed", range(6))
def test_random_players_end_their_games_and_keep_their_eyes(seed: int) -> None:
    board = Board(5 + seed % 2, Rules(0.5))
    players = {1: random_player(seed), 2: random_player(seed + 100)}
    while not board.is_over:
        point, colour = choose_move(players[board.to_play], board).point, board.to_play
        assert point is None or not is_own_eye(board, *point, colour)
        board.play(point)
    assert 10 < len(board.history) <= 3 * board.size**2 + 2


def test_random_games_own_what_is_decided() -> None:
    board = board_of(".X.X.\nXXXXX\nXXXXX\nOOOOO\n.O.O.")
    margins, owned = play_out(board, 50, 3)
    assert set(margins) == {5}
    assert (owned[:3] == 1).all() and (owned[3:] == -1).all()
    again = play_out(board, 50, 3)
    assert (again[1] == owned).all()


def test_random_games_are_fair_on_an_empty_board() -> None:
    margins, owned = play_out(Board(5, Rules(0.0)), 2000, 1)
    assert abs(owned - np.rot90(owned)).max() < 0.12
    assert 1 < margins.mean() < 9  # black moves first
    assert len(set(margins)) > 10
    other, _ = play_out(Board(5, Rules(0.0)), 2000, 2)
    assert (other != margins).any()


def test_a_lone_stone_in_a_safe_area_is_dead() -> None:
    board = board_of("..X..O\n..XOOO\nOXXO.O\n..XOOO\n..XO.O\n..XO..")
    dead = dead_stones(board)
    assert [tuple(map(int, place)) for place in np.argwhere(dead)] == [(2, 0)]
