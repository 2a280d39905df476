"""The tree search: its formula, its sums, its signs, what it never visits, and what it finds."""

import numpy as np
import pytest
from tests.use.go.positions import BlackWins, Captures, Shuffled, board_of, is_own_eye

from convscope.use.go import Candidate, SearchConfig, TreeSearch, UniformPolicy, move_probabilities
from convscope.use.go.search import Node
from convscope.worlds.go import Board, Rules


class Counted(Shuffled):
    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, boards):
        self.asked += len(boards)
        return super().__call__(boards)


def nodes(root: Node):
    yield root
    for child in root.children:
        if child is not None:
            yield from nodes(child)


def tree_of(evaluator, board: Board, visits: int, batch: int = 8, exploration: float = 1.5) -> Node:
    search = TreeSearch(evaluator, SearchConfig(visits, batch, exploration))
    search.search(board)
    assert search.root is not None
    return search.root


@pytest.mark.parametrize("batch", [1, 4, 16])
@pytest.mark.parametrize("evaluator", [UniformPolicy(), Shuffled(), Captures()])
def test_visits_add_up_at_every_node(evaluator, batch: int) -> None:
    root = tree_of(evaluator, Board(5), 150, batch)
    assert root.visits.sum() == 150
    checked = 0
    for node in nodes(root):
        for index, child in enumerate(node.children):
            if child is None:
                assert node.visits[index] == 0
            elif child.ended is None:
                assert node.visits[index] == 1 + child.visits.sum()
                checked += 1
    assert checked > 50


def test_a_position_that_waits_for_its_value_is_counted_once() -> None:
    """With one move there is one position to evaluate, however many are asked for at once."""
    search, allowed = TreeSearch(Captures(), SearchConfig(60, 8)), np.zeros((3, 3), bool)
    allowed[1, 1] = True
    search.search(Board(3), allowed=allowed)
    root = search.root
    assert root is not None
    (index,) = np.flatnonzero(root.visits)
    child = root.children[index]
    assert child is not None
    assert root.visits[index] == 60 == 1 + child.visits.sum()
    again = TreeSearch(Captures(), SearchConfig(2, 8))
    steps = [(root.visits.sum(), root.total.sum()) for root in again.iter_search(Board(3), allowed=allowed)]
    assert [visits for visits, _ in steps] == [0, 1, 2]
    assert steps[1][1] == pytest.approx(np.tanh(1 / 4)), "the loss that was counted meanwhile is taken back"


@pytest.mark.parametrize("batch", [1, 8])
def test_results_are_means_of_what_was_evaluated_below(batch: int) -> None:
    """Each position's own value and those below it, seen from above: virtual losses leave no trace."""
    evaluator, root = Shuffled(), tree_of(Shuffled(), Board(4), 200, batch)

    def total(node: Node) -> float:
        if node.ended is not None:
            return node.ended
        _, value = evaluator([node.board])
        assert value is not None
        return float(value[0]) - sum(total(child) for child in node.children if child is not None)

    checked = 0
    for node in nodes(root):
        for index, child in enumerate(node.children):
            if child is not None and child.ended is None:
                assert node.total[index] == pytest.approx(-total(child))
                checked += 1
    assert checked > 100


def test_the_sign_of_a_value_follows_the_player_to_move() -> None:
    for to_play, expected in ((1, 1.0), (2, -1.0)):
        board = Board(5)
        board.to_play = to_play
        found = TreeSearch(BlackWins(), SearchConfig(64)).search(board)
        assert found.value == expected
        assert {move.value for move in found.moves if move.visits} == {expected}
        assert {move.winrate for move in found.moves if move.visits} == {(1 + expected) / 2}


def test_selection_is_the_formula_of_the_paper() -> None:
    draw = np.random.default_rng(1)
    for c in (0.0, 0.3, 0.7, 1.5, 3.0) * 20:
        root = Node(Board(3))
        root.expand(draw.normal(size=9))
        root.visits = draw.integers(0, 5, 9).astype(float)
        root.total = root.visits * draw.uniform(-1, 1, 9)
        scores = []
        for n, w, p in zip(root.visits, root.total, root.prior, strict=True):
            q = w / n if n else 0.0
            scores.append(q + c * p * np.sqrt(root.visits.sum()) / (1 + n))
        assert root.select(c) == int(np.argmax(scores))


def test_a_value_is_half_of_a_winning_rate() -> None:
    rates = {value: Candidate((0, 0), 1, value, 1.0, ((0, 0),)).winrate for value in (-1.0, -0.5, 0.0, 0.5)}
    assert rates == {-1.0: 0.0, -0.5: 0.25, 0.0: 0.5, 0.5: 0.75}


def test_the_first_visit_goes_to_the_most_probable_move() -> None:
    root = tree_of(Shuffled(), Board(5), 1)
    assert root.visits[np.argmax(root.prior)] == 1


def test_only_legal_moves_that_fill_no_eye_are_in_the_tree() -> None:
    board = board_of("X.XO.\nXXXO.\nOOOOO\n.O.O.\n.....", to_play=1, komi=0.5)
    seen = 0
    for node in nodes(tree_of(UniformPolicy(), board, 400)):
        if node.points is None or node.ended is not None:
            continue
        size, colour = node.board.size, node.board.to_play
        legal = node.board.legal_moves()
        expected = {
            y * size + x
            for y in range(size)
            for x in range(size)
            if legal[y, x] and not is_own_eye(node.board, y, x, colour)
        }
        assert set(node.points) - {size * size} == expected
        last = node.board.last_move
        passing = not expected or (last is not None and last.point is None)
        assert (size * size in node.points) == passing
        seen += 1
    assert seen > 100


def test_superko_holds_in_the_tree() -> None:
    board = board_of(".XO.\nX.XO\n.XO.\n....", to_play=2, superko=True)
    board.play((1, 1))
    for node in nodes(tree_of(UniformPolicy(), board, 300)):
        if node.points is not None and node.ended is None:
            for index in range(len(node.points)):
                assert node.board.is_legal(node.point(index))


def test_a_capture_that_wins_is_found() -> None:
    board = board_of("XOOO.\nXOXXX\nXXXOO\nOOOO.\n.O.O.", to_play=1, komi=0.5)
    found = TreeSearch(Captures(), SearchConfig(200)).search(board)
    assert found.moves[0].point == (0, 4)
    assert found.moves[0].visits > 100


def test_equal_inputs_give_equal_trees() -> None:
    first, second = (TreeSearch(Shuffled(), SearchConfig(300)).search(Board(5)) for _ in range(2))
    assert first == second
    assert first.visits == 300


def test_a_tree_is_used_on_after_moves() -> None:
    evaluator, board = Counted(), Board(5)
    search = TreeSearch(evaluator, SearchConfig(400))
    found = search.search(board)
    line = found.moves[0].line
    assert len(line) >= 2
    for move in line[:2]:
        board.play(move)
    asked = evaluator.asked
    again = next(search.iter_search(board))
    kept = again.visits.sum()
    assert kept > 1 and evaluator.asked == asked
    assert np.array_equal(again.board.state, board.state)
    search.search(board)
    assert search.root is again and evaluator.asked <= asked + 400 - kept


def test_another_game_begins_another_tree() -> None:
    search, board = TreeSearch(UniformPolicy(), SearchConfig(50)), Board(5)
    search.search(board)
    first = search.root
    board.play("C3")
    board.undo()
    assert next(search.iter_search(board)) is first
    board.to_play = 2
    assert next(search.iter_search(board)) is not first
    other = Board(5, Rules(0.5))
    assert next(search.iter_search(other)).visits.sum() == 0


def test_moves_can_be_restricted_and_the_pass_remains() -> None:
    allowed = np.zeros((5, 5), bool)
    allowed[2, 2] = allowed[0, 0] = True
    search = TreeSearch(Shuffled(), SearchConfig(60))
    found = search.search(Board(5), allowed=allowed)
    assert {move.point for move in found.moves} == {(2, 2), (0, 0)}
    assert found.visits == 60
    found = search.search(Board(5), visits=70, allowed=np.zeros((5, 5), bool))
    assert [move.point for move in found.moves] == [None]
    assert {move.point for move in search.search(Board(5), visits=80).moves} >= {(1, 1), (2, 2), None}


def test_probabilities_leave_out_what_is_not_allowed() -> None:
    logits = np.log([0.1, 0.2, 0.3, 0.4])
    allowed = np.array([True, False, True, True])
    assert move_probabilities(logits, allowed, False) == pytest.approx([0.125, 0, 0.375, 0.5, 0])
    assert move_probabilities(logits, allowed, True) == pytest.approx([0.1, 0, 0.3, 0.4, 0.2])
    with_pass = np.log([0.1, 0.2, 0.3, 0.2, 0.2])
    assert move_probabilities(with_pass, allowed, True) == pytest.approx([0.125, 0, 0.375, 0.25, 0.25])
    assert move_probabilities(logits, np.zeros(4, bool), False) == pytest.approx([0, 0, 0, 0, 1])
    certain = np.array([-np.inf, 0.0, -np.inf, -np.inf])
    assert move_probabilities(certain, allowed, False) == pytest.approx([1 / 3, 0, 1 / 3, 1 / 3, 0])
