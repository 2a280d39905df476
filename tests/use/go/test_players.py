"""Players: what they choose, when they pass, resign or run out of time; networks under symmetries."""

from collections import Counter

import numpy as np
import pytest
import torch
from tests.use.go.positions import Captures, Shuffled, board_of
from torch import nn

from convscope import nets
from convscope.errors import UsageError
from convscope.graph.spec import TensorSpec
from convscope.use.go import (
    Evaluation,
    NetworkPolicy,
    PlayoutValue,
    PolicyPlayer,
    SearchConfig,
    SearchPlayer,
    TreeSearch,
    UniformPolicy,
    build_player,
    choose_move,
)
from convscope.use.go.recipe import PlayRecipe
from convscope.worlds.go import Board, Rules, encode, plane_names


class Fixed:
    """A policy of given probabilities, and a given value."""

    def __init__(self, shares, value: float | None = None) -> None:
        self.logits, self.value = np.log(np.asarray(shares, float)), value

    def __call__(self, boards) -> Evaluation:
        value = None if self.value is None else np.full(len(boards), self.value)
        return Evaluation(np.tile(self.logits, (len(boards), 1)), value)


SHARES = np.array([0.05, 0.1, 0.05, 0.1, 0.4, 0.1, 0.05, 0.1, 0.05])


def test_the_most_probable_legal_move_is_chosen() -> None:
    board = Board(3)
    assert choose_move(PolicyPlayer(Fixed(SHARES)), board).point == (1, 1)
    board.play((1, 1))
    assert choose_move(PolicyPlayer(Fixed(SHARES)), board).point == (0, 1)


@pytest.mark.parametrize(("temperature", "share"), [(1.0, 0.4), (0.5, 0.16 / 0.21), (2.0, 0.2211)])
def test_draws_follow_the_probabilities(temperature: float, share: float) -> None:
    player = PolicyPlayer(Fixed(SHARES), temperature, seed=1)
    drawn = Counter(choose_move(player, Board(3)).point for _ in range(800))
    weights = SHARES ** (1 / temperature)
    assert drawn[1, 1] / 800 == pytest.approx(weights[4] / weights.sum(), abs=0.05)
    assert weights[4] / weights.sum() == pytest.approx(share, abs=0.01)


def test_the_same_seed_draws_the_same() -> None:
    def game(seed: int) -> list:
        player, board = PolicyPlayer(UniformPolicy(), 1.0, seed), Board(5)
        while len(board.history) < 15:
            board.play(choose_move(player, board).point)
        return [move.point for move in board.history]

    assert game(3) == game(3) != game(4)


def test_a_search_finds_what_the_policy_overlooks() -> None:
    """The policy likes the corner; the value of what follows says to take three stones."""
    board = board_of("XXX..\nOOO..\nXXX..\n.....\n.....", komi=0.5)
    shares = np.full(25, 0.01)
    shares[24] = 0.76

    class Blind(Captures):
        def __call__(self, boards) -> Evaluation:
            return Evaluation(np.tile(np.log(shares), (len(boards), 1)), super().__call__(boards).value)

    assert choose_move(PolicyPlayer(Blind()), board).point == (4, 4)
    assert choose_move(SearchPlayer(TreeSearch(Blind(), SearchConfig(300))), board).point == (1, 3)


def test_who_loses_resigns_and_who_wins_does_not() -> None:
    for value, resigns in ((-0.95, True), (0.95, False)):

        class Sure(Shuffled):
            def __call__(self, boards, value=value) -> Evaluation:
                of = [value if board.to_play == 1 else -value for board in boards]
                return Evaluation(super().__call__(boards).logits, np.array(of))

        few = SearchPlayer(TreeSearch(Sure(), SearchConfig(31)), resign=0.1)
        assert not choose_move(few, Board(5)).resigns, "a few visits say little"
        player = SearchPlayer(TreeSearch(Sure(), SearchConfig(64)), resign=0.1)
        choice = choose_move(player, Board(5))
        assert choice.resigns == resigns
        assert choice.winrate == pytest.approx((1 + value) / 2)
        assert not choose_move(SearchPlayer(TreeSearch(Sure(), SearchConfig(64))), Board(5)).resigns


def test_moves_are_drawn_in_the_opening_alone() -> None:
    board = Board(5)
    board.play("C3")
    for drawn, several in ((2, True), (1, False)):
        search = TreeSearch(Shuffled(), SearchConfig(60))
        player = SearchPlayer(search, temperature=1.0, drawn=drawn)
        chosen = {choose_move(player, board).point for _ in range(12)}
        assert (len(chosen) > 1) == several
        if not several:
            assert chosen == {search.search(board).moves[0].point}


def test_time_ends_a_search() -> None:
    player = SearchPlayer(TreeSearch(UniformPolicy(), SearchConfig(100_000)))
    thoughts = list(player.iter_search(Board(9), 0.05))
    assert 1 <= len(thoughts) < 2000
    assert thoughts[-1].analysis().visits < 20_000


def test_values_of_random_games_are_those_of_the_player_to_move() -> None:
    board = board_of(".X.X.\nXXXXX\nXXXXX\nOOOOO\n.O.O.", komi=0.5)
    evaluator = PlayoutValue(UniformPolicy(), 4)
    assert evaluator([board])[1] == [1.0]
    board.to_play = 2
    assert evaluator([board])[1] == [-1.0]
    board.rules = Rules(5.0)
    assert evaluator([board])[1] == [0.0]


class Crooked(nn.Module):
    """A network without any symmetry, of the form that networks for boards have."""

    def __init__(self, planes: int, size: int) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.body = nn.Sequential(nn.Conv2d(planes, 4, 3, padding=1), nn.Tanh(), nn.Flatten())
        self.policy = nn.Linear(4 * size * size, size * size)
        self.value = nn.Linear(4 * size * size, 1)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        seen = self.body(x)
        return {"policy": 3 * self.policy(seen), "value": torch.tanh(self.value(seen))}


def crooked(size: int = 5, planes: int = 12) -> nets.Net:
    points = tuple(f"{k}" for k in range(size * size))
    return nets.wrap(Crooked(planes, size), TensorSpec((planes, size, size), kind="go"), points)


def test_the_mean_over_symmetries_is_that_of_boards_turned_one_by_one() -> None:
    net, board = crooked(), Board(5)
    for move in ("B4", "D2", "C3", "E5"):
        board.play(move)
    planes = encode(board, plane_names(net.input_spec)).astype(np.float32)
    shares, values = np.zeros((5, 5)), []
    for turns in range(4):
        for mirrored in (False, True):
            seen = np.rot90(planes, turns, (1, 2))
            seen = seen[:, :, ::-1] if mirrored else seen
            with torch.no_grad():
                found = net.module(torch.from_numpy(seen.copy())[None])
            grid = torch.softmax(found["policy"][0].double(), 0).numpy().reshape(5, 5)
            grid = grid[:, ::-1] if mirrored else grid
            shares += np.rot90(grid, -turns) / 8
            values.append(float(found["value"]))
    logits, value = NetworkPolicy(net, 8)([board, board])
    assert np.exp(logits[1]).reshape(5, 5) == pytest.approx(shares, abs=1e-6)
    assert value is not None and value[0] == pytest.approx(np.mean(values), abs=1e-6)
    one, _ = NetworkPolicy(net)([board])
    assert abs(np.exp(one[0]) / np.exp(one[0]).sum() - shares.ravel()).max() > 0.01


def test_the_mean_turns_with_the_board() -> None:
    """A board turned by a quarter gets the same probabilities, turned by a quarter."""
    policy = NetworkPolicy(crooked(), 8)
    board, turned = Board(5), Board(5)
    for row, column in ((1, 1), (3, 2), (2, 2), (0, 4)):
        board.play((row, column))
        turned.play((4 - column, row))
    first, second = (np.exp(policy([b])[0][0]).reshape(5, 5) for b in (board, turned))
    assert second == pytest.approx(np.rot90(first), abs=1e-9)


def test_a_network_for_something_else_is_refused() -> None:
    with pytest.raises(UsageError, match="looks at Go boards"):
        NetworkPolicy("digits")
    with pytest.raises(UsageError, match="5x5"):
        NetworkPolicy(crooked())([Board(9)])
    with pytest.raises(UsageError, match="board of 5x5"):
        build_player(PlayRecipe(net="crooked"), 9, lambda _: crooked())


def test_the_recipe_decides_who_plays() -> None:
    def no(name: str) -> nets.Net:
        raise AssertionError(name)

    assert isinstance(build_player(PlayRecipe(net="uniform", visits=0), 5, no), PolicyPlayer)
    searching = build_player(PlayRecipe(net="uniform", visits=20), 5, no)
    assert isinstance(searching, SearchPlayer)
    assert isinstance(searching.search.evaluator, PlayoutValue)
    own = build_player(PlayRecipe(net="x", visits=20, symmetries="8"), 5, lambda _: crooked())
    assert isinstance(own.search.evaluator, NetworkPolicy) and own.search.evaluator.symmetries == 8
    assert isinstance(
        build_player(PlayRecipe(net="x", playouts=3), 5, lambda _: crooked()).search.evaluator, PlayoutValue
    )
    assert build_player(PlayRecipe(visits=20), 7, no).name == "uniform"
