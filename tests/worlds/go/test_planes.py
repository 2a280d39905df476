"""AlphaGo's planes one by one against a slow reference, by hand, and from records."""

import random

import numpy as np
import pytest
import torch
from tests.reference import go_planes
from tests.reference.go_rules import SlowBoard

from convscope.errors import UsageError
from convscope.worlds.go import (
    ALPHAGO_PLANES,
    SMALL_PLANES,
    Board,
    GameRecord,
    GameRecords,
    GoPositions,
    Move,
    Rules,
    SgfGame,
    encode,
    symmetry,
)
from convscope.worlds.go.planes import NAMES
from convscope.worlds.go.records.tables import flat_moves, record_of
from convscope.worlds.go.rules.features import POINT


def random_positions(size, games, longest, seed):
    """Yield boards of random games with the same position on the slow board, and the ages of stones."""
    for number in range(games):
        draw, board, slow, born = random.Random(seed + number), Board(size), SlowBoard(size), {}
        for move in range(1, longest + 1):
            legal = sorted(slow.legal(board.to_play))
            if not legal:
                break
            point = draw.choice(legal)
            slow = slow.after(point, board.to_play)
            assert slow is not None
            board.play(point)
            born[point] = move
            if draw.random() < 0.2:
                yield board, slow, {stone: move - born[stone] + 1 for stone in slow.stones}


@pytest.fixture(scope="module")
def compared():
    """Planes of positions of random games: ours, and the slow ones, `[n 49 size size]`."""
    return [
        (encode(board, NAMES), go_planes.planes(slow, board.to_play, ages))
        for size, games, longest in ((5, 5, 40), (9, 3, 90))
        for board, slow, ages in random_positions(size, games, longest, 3)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_plane_agrees_with_slow_reference(name, compared):
    k, marked = NAMES.index(name), 0
    for ours, slow in compared:
        assert np.array_equal(ours[k], slow[k]), f"{name}\n{ours[k]}\n{slow[k]}"
        marked += int(slow[k].sum())
    assert marked or name in ("zeros", "captures5", "captures6", "captures7", "self_atari7", "self_atari8"), (
        "the plane was never set"
    )


def test_order_is_that_of_the_paper():
    assert len(ALPHAGO_PLANES) == 48
    assert ALPHAGO_PLANES[:5] == ("own", "opponent", "empty", "ones", "age1")
    assert [
        ALPHAGO_PLANES.index(n) for n in ("age8", "liberties1", "captures0", "self_atari1", "after1")
    ] == [
        11,
        12,
        20,
        28,
        36,
    ]
    assert ALPHAGO_PLANES[44:] == ("ladder_capture", "ladder_escape", "sensible", "zeros")
    assert len(SMALL_PLANES) == 20 and set(SMALL_PLANES) <= set(NAMES)


def test_ages_leak_nothing_of_the_next_move():
    board = Board(9)
    for vertex in ("E5", "C3", "G7"):
        board.play(vertex)
    planes = dict(zip(NAMES, encode(board, NAMES), strict=True))
    assert np.argwhere(planes["age1"]).tolist() == [[2, 6]]
    assert np.argwhere(planes["age2"]).tolist() == [[6, 2]]
    assert np.argwhere(planes["age3"]).tolist() == [[4, 4]]
    assert np.argwhere(planes["own"]).tolist() == [[6, 2]], "white is to move"


def test_stones_that_were_set_up_are_old():
    board = Board(9)
    board.place_handicap(4)
    planes = dict(zip(NAMES, encode(board, NAMES), strict=True))
    assert planes["age8"].sum() == 4
    assert planes["white"].all()


def test_planes_by_name_are_those_of_all():
    board = Board(9)
    for vertex in ("E5", "D5", "E6", "D6", "F4"):
        board.play(vertex)
    every = encode(board, NAMES)
    assert np.array_equal(encode(board, SMALL_PLANES), every[[NAMES.index(name) for name in SMALL_PLANES]])
    out = np.full((2, 9, 9), 7, np.uint8)
    assert encode(board, ("white", "own"), out) is out
    assert out.max() == 1
    with pytest.raises(UsageError, match="liberties3"):
        encode(board, ("liberty3",))
    with pytest.raises(UsageError, match="twice"):
        encode(board, ("own", "own"))
    with pytest.raises(UsageError, match="uint8"):
        encode(board, ("own",), np.zeros((1, 9, 9)))


def test_moves_that_superko_forbids_are_not_in_the_planes_of_moves():
    draw, board, differ = random.Random(4), Board(2, Rules(superko=True)), 0
    for _ in range(30):
        legal = board.legal_moves()
        planes = dict(zip(NAMES, encode(board, NAMES), strict=True))
        takes = sum(planes[f"captures{k}"] for k in range(8))
        assert np.array_equal(takes > 0, legal)
        differ += int(planes["empty"].sum() - legal.sum())
        points = np.argwhere(legal)
        board.play(tuple(points[draw.randrange(len(points))].tolist()) if len(points) else None)
    assert differ


def random_records(size, games, seed):
    """Return records of random games, and their boards after each move."""
    found, boards = [], []
    for number in range(games):
        draw, board, letters = random.Random(seed + number), Board(size), ""
        steps = [board.copy()]
        for _ in range(draw.randint(5, 60)):
            points = np.argwhere(board.legal_moves())
            moves = len(points) and draw.random() > 0.05
            move = tuple(points[draw.randrange(len(points))].tolist()) if moves else None
            board.play(move)
            letters += "tt" if move is None else chr(97 + move[1]) + chr(97 + move[0])
            steps.append(board.copy())
        found.append(GameRecord(size, flat_moves(letters, size), 7.5, 1 + number % 2, None, number % 4))
        boards.append(steps)
    return GameRecords.of(found), boards


@pytest.mark.parametrize("size", [5, 9, 19])
def test_batches_of_records_are_the_planes_of_their_positions(size):
    records, boards = random_records(size, 6, 1)
    data = GoPositions(records, NAMES)
    planes, index = data.encoded(torch.arange(len(data))), 0
    for game, steps in enumerate(boards):
        for ply, move in enumerate(steps[-1].history):
            if move.point is None or ply < game % 4:
                continue
            assert np.array_equal(planes[index], encode(steps[ply], NAMES))
            assert data.board(index).history == steps[ply].history
            assert int(data.labels[index]) == move.point[0] * size + move.point[1]
            assert int(data.outcomes[index]) == (1 if 1 + game % 2 == move.colour else -1)
            last = steps[ply].last_move
            expected = -1 if last is None or last.point is None else last.point[0] * size + last.point[1]
            assert int(data.last_moves()[index]) == expected
            index += 1
    assert index == len(data)


def test_positions_of_records_have_the_planes_that_are_learned_from():
    """White begins after stones that were set up; records are replayed with suicide, which no plane shows."""
    black, white, moves = ((0, 0),), ((1, 0), (1, 1), (0, 2)), (Move(2, (3, 3)), Move(1, (4, 4)))
    game = SgfGame(5, moves, black, white)
    records = GameRecords.of([record_of(game)])
    planes = GoPositions(records, NAMES).encoded([0, 1])
    for ply, to_play in enumerate((2, 1)):
        for board in (game.board(ply), records.board(0, ply)):
            assert board.to_play == to_play
            assert np.array_equal(encode(board, NAMES), planes[ply])
    after = records.board(0, 2)
    assert len(after.history) == 2 and after.to_play == 2
    suicide = records.board(0, 1)
    assert suicide.is_legal((0, 1)), "of two stones"
    assert not planes[1][
        [name.startswith(("captures", "self", "after", "sens")) for name in NAMES], 0, 1
    ].any()


def test_subsets_keep_their_positions():
    records, _ = random_records(9, 4, 2)
    data = GoPositions(records)
    some = data.take([5, 3, 40])
    assert torch.equal(some.inputs([0, 1, 2]), data.inputs([5, 3, 40]))
    assert torch.equal(some.labels, data.labels[[5, 3, 40]])
    batch = some.batch([2])
    assert torch.equal(batch.targets, data.labels[[40]])


def test_games_are_divided_whole():
    records, _ = random_records(9, 10, 5)
    train, test = records.split(0.3, 1)
    assert (len(train), len(test)) == (7, 3)
    every = {records.moves[a:b].tobytes() for a, b in zip(records.starts, records.starts[1:], strict=False)}
    parts = [
        {part.moves[a:b].tobytes() for a, b in zip(part.starts, part.starts[1:], strict=False)}
        for part in (train, test)
    ]
    assert parts[0] | parts[1] == every and not parts[0] & parts[1]
    with pytest.raises(UsageError, match="both parts"):
        records.split(0.01)


def test_illegal_moves_end_a_game_and_are_noted():
    records = GameRecords.of(
        [GameRecord(9, flat_moves("eeeeaa", 9), name="odd"), GameRecord(9, flat_moves("cc", 9))]
    )
    assert len(records) == 2 and len(records.moves) == 2
    (problem,) = records.problems
    assert problem.path == "odd" and "move 2" in problem.reason
    assert (records.moves & POINT)[0] == 5 * 10 + 5


def test_the_same_game_in_another_symmetry_is_left_out():
    """On both sides of a split it would be tested on what was learned."""
    record = random_records(9, 1, 3)[0]
    moves = record.moves & POINT
    places = (moves // 10 - 1) * 9 + moves % 10 - 1
    games = []
    for number in range(8):
        turned = symmetry.point_map(9)[number].numpy()[places]
        points = np.where(moves > 0, (turned // 9 + 1) * 10 + turned % 9 + 1, 0)
        games.append(
            GameRecord(9, (points | (record.moves & ~POINT)).astype(np.int16), name=f"game {number}")
        )
    other = GameRecord(9, record.moves[:-1], name="other")
    found = GameRecords.of([*games, other])
    assert len(found) == 2
    assert {problem.path for problem in found.problems} == {f"game {k}" for k in range(1, 8)}
    assert {problem.kind for problem in found.problems} == {"duplicate"}


def test_stones_that_were_set_up_turn_with_their_game():
    """The same moves after other stones are another game; after the same ones, turned alike, the same."""
    stones = np.zeros((5, 5), np.int8)
    stones[0, 1], stones[2, 0] = 1, 2
    games = []
    for number in range(8):
        place = int(symmetry.point_map(5)[number, 3 * 5 + 4])
        letters = chr(97 + place % 5) + chr(97 + place // 5)
        turned = symmetry.apply(torch.from_numpy(stones), number).numpy()
        games.append(GameRecord(5, flat_moves(letters, 5), stones=turned, name=f"game {number}"))
    other = GameRecord(5, games[0].moves, stones=stones.T.copy(), name="other stones")
    found = GameRecords.of([*games, other, GameRecord(5, games[0].moves, name="no stones")])
    assert {problem.path for problem in found.problems} == {f"game {k}" for k in range(1, 8)}
    assert len(found) == 3


@pytest.mark.parametrize("number", range(8))
def test_symmetries(number):
    board = torch.arange(25).view(5, 5)
    there = symmetry.apply(board, number)
    assert torch.equal(symmetry.apply(there, symmetry.inverse(number)), board)
    for k in range(25):
        assert int(there.flatten()[symmetry.point_map(5)[number, k]]) == k


def test_symmetries_are_the_group_of_the_square():
    board = torch.arange(9).view(3, 3)
    every = {tuple(symmetry.apply(board, k).flatten().tolist()) for k in range(8)}
    assert len(every) == 8
    twice = {
        tuple(symmetry.apply(symmetry.apply(board, j), k).flatten().tolist())
        for j in range(8)
        for k in range(8)
    }
    assert twice == every


def test_planes_turn_with_the_board():
    """Each plane of a turned game is the turned plane."""
    records, _ = random_records(9, 1, 8)
    moves = records.moves & POINT
    planes = GoPositions(records, NAMES).encoded(torch.arange(10))
    for number in range(8):
        places = (moves // 10 - 1) * 9 + moves % 10 - 1
        turned = symmetry.point_map(9)[number].numpy()[places]
        points = np.where(moves > 0, (turned // 9 + 1) * 10 + turned % 9 + 1, 0)
        game = GameRecord(9, (points | (records.moves & ~POINT)).astype(np.int16))
        again = GoPositions(GameRecords.of([game]), NAMES).encoded(torch.arange(10))
        assert np.array_equal(again, symmetry.apply(torch.from_numpy(planes), number).numpy())
