"""Go positions as inputs of networks, and as pictures."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from convscope import nets, worlds
from convscope.errors import DataError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.worlds.go import (
    ALPHAGO_PLANES,
    SMALL_PLANES,
    Board,
    draw_board,
    encode,
    plane_names,
    write_sgf,
)

SPEC = TensorSpec((20, 9, 9), kind="go")
DIAGRAM = """
 9 . . . . . . . . .
 8 . X . . . . . . .
 7 . . + . . . . O .
 6 . . . . . . . . .
 5 . . . . X . . . .
 4 . . . . . . . . .
 3 . . . . . . . . .
 2 . . . . . . . . .
 1 . . . . . . . . .
   A B C D E F G H J
"""


@pytest.fixture
def played(tmp_path):
    board = Board(9)
    for vertex in ("E5", "C3", "G7", "E6", "D6"):
        board.play(vertex)
    path = tmp_path / "a game.sgf"
    path.write_bytes(write_sgf(board))
    return board, path


def test_records_are_opened_at_their_end_or_after_a_move(played):
    board, path = played
    sample = worlds.open_sample(path, SPEC)
    assert torch.equal(sample.input, torch.from_numpy(encode(board, SMALL_PLANES)).float())
    board.undo()
    board.undo()
    earlier = worlds.open_sample(f"{path}@3", SPEC)
    assert torch.equal(earlier.input, torch.from_numpy(encode(board, SMALL_PLANES)).float())
    assert np.array_equal(earlier.original.stones, board.stones)
    assert worlds.open_sample(f"{path}@0", SPEC).input[2].all()
    with pytest.raises(DataError, match="move from 0 to 5"):
        worlds.open_sample(f"{path}@6", SPEC)


def test_boards_bytes_tensors_and_samples_are_opened(played, tmp_path):
    board, path = played
    expected = worlds.open_sample(path, SPEC)
    for source in (board, path.read_bytes(), expected.input, expected.input.numpy(), expected):
        assert torch.equal(worlds.open_sample(source, SPEC).input, expected.input)
    np.save(tmp_path / "planes.npy", expected.input.numpy())
    assert torch.equal(worlds.open_sample(tmp_path / "planes.npy", SPEC).input, expected.input)
    assert worlds.open_inputs([board, path], [SPEC])[0].shape == (2, 20, 9, 9)


def test_diagrams_are_opened(tmp_path):
    board = worlds.open_sample(DIAGRAM, SPEC).original
    assert (board.stones[1, 1], board.stones[2, 7], board.stones[4, 4], board.to_play) == (1, 2, 1, 2)
    (tmp_path / "board.txt").write_text(DIAGRAM + "black to play\n")
    assert worlds.open_sample(tmp_path / "board.txt", SPEC).original.to_play == 1
    again = worlds.open_sample(str(board), SPEC).original
    assert np.array_equal(again.stones, board.stones)


@pytest.mark.parametrize("text", ["...\n..\n", "..\n..\n..\n", "X0\n..\n", "\n", "XO\nO.\n"])
def test_damaged_diagrams_are_refused(text):
    with pytest.raises(DataError):
        worlds.open_sample(text, SPEC)


def test_other_sizes_and_other_things_are_refused(played, tmp_path):
    with pytest.raises(DataError, match="19x19"):
        worlds.open_sample(played[1], TensorSpec((20, 19, 19), kind="go"))
    with pytest.raises(DataError, match="SGF"):
        worlds.open_sample(tmp_path / "none.sgf", SPEC)
    with pytest.raises(DataError, match="position"):
        worlds.open_sample(7, SPEC)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match="7 planes"):
        worlds.open_sample(played[0], TensorSpec((7, 9, 9), kind="go"))


def test_planes_follow_from_names_or_number():
    assert plane_names(SPEC) == SMALL_PLANES
    assert plane_names(TensorSpec((48, 9, 9), kind="go")) == ALPHAGO_PLANES
    named = TensorSpec((2, 9, 9), kind="go", vocabulary=("own", "white"))
    assert plane_names(named) == ("own", "white")
    assert worlds.open_sample(Board(9), named).input.shape == (2, 9, 9)


def test_pictures_show_stones_where_they_are(played):
    board, _ = played
    for colour in (1, 2):
        board.to_play = colour
        image = worlds.render(worlds.open_sample(board, SPEC).input, SPEC)
        assert image.mode == "RGB" and image.width == image.height
        grey = np.asarray(image.convert("L"), float)
        cell = image.width // 9
        for (row, column), stone in np.ndenumerate(board.stones):
            patch = grey[row * cell + cell // 4 : (row + 1) * cell - cell // 4]
            tone = patch[:, column * cell + cell // 4 : (column + 1) * cell - cell // 4].mean()
            low, high = {0: (120, 215), 1: (0, 119), 2: (200, 256)}[int(stone)]
            assert low <= tone <= high, (row, column, stone, tone)


def test_the_last_move_has_a_red_ring(played):
    board, _ = played
    image = np.asarray(worlds.render(worlds.open_sample(board, SPEC).input, SPEC)).astype(int)
    red = (image[..., 0] - image[..., 1] > 90) & (image[..., 1] < 110)
    cell = len(image) // 9
    rows, columns = (index // cell for index in np.nonzero(red))
    assert {*rows.tolist()} == {board.last_move.point[0]}
    assert {*columns.tolist()} == {board.last_move.point[1]}


def test_faint_stones_are_faint():
    planes = torch.zeros(3, 9, 9)
    spec = TensorSpec((3, 9, 9), kind="go")
    planes[0, 4, 4], planes[0, 2, 2] = 1.0, 0.3
    grey = np.asarray(worlds.render(planes, spec).convert("L"), float)
    cell = len(grey) // 9
    full, faint, none = (grey[k * cell + cell // 3, k * cell + cell // 3] for k in (4, 2, 6))
    assert full < faint - 40 < none


@pytest.mark.parametrize("size", [2, 7, 9, 13, 19, 25])
def test_boards_of_every_size_are_drawn(size):
    stones = np.zeros((size, size), np.int8)
    stones[0, 0], stones[-1, -1] = 1, 2
    plain, framed = draw_board(stones, margin=False), draw_board(stones, labels={(0, 0): "1"}, last=(0, 0))
    assert plain.width % size == 0
    assert framed.width > size * 14


def test_an_example_ships_for_9x9():
    sample = worlds.world_of(SPEC).example(SPEC)
    assert sample is not None and sample.input.shape == (20, 9, 9)
    assert worlds.world_of(SPEC).example(TensorSpec((20, 19, 19), kind="go")) is None


def test_folders_of_records_are_data(tmp_path):
    for k in range(20):
        board = Board(9)
        for point in ((k // 9, k % 9), (8, k % 7), (5, 5), (4, 3))[: 2 + k % 3]:
            board.play(point)
        (tmp_path / f"{k}.sgf").write_bytes(write_sgf(board))
    whole = worlds.open(tmp_path, spec=SPEC)
    parts = [worlds.open(tmp_path, split, spec=SPEC) for split in ("train", "test")]
    assert len(whole) == sum(map(len, parts)) == sum(2 + k % 3 for k in range(20))
    assert worlds.open(tmp_path, spec=SPEC).specs[0].shape == SPEC.shape
    with pytest.raises(UsageError, match="train or test"):
        worlds.open(tmp_path, "val", spec=SPEC)


def test_parts_of_boards_are_drawn_without_an_edge():
    planes = worlds.open_sample(DIAGRAM, SPEC).input[:, 2:7, 3:9]
    whole, part = worlds.render(worlds.open_sample(DIAGRAM, SPEC).input, SPEC), worlds.render(planes, SPEC)
    assert part.width * 5 == part.height * 6
    assert part.width // 6 >= whole.width // 9


def test_networks_see_their_planes():
    net = nets.load("go-9x9")
    board = Board(9)
    board.play("E5")
    (inputs,) = worlds.open_inputs(board, net.input_specs)
    assert inputs.shape == (1, *net.input_spec.shape)


def test_worlds_are_listed_without_numba():
    code = "import sys, convscope.worlds as w; w.WORLDS['go']; print('numba' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_what_is_left_out_of_a_record_is_said(tmp_path):
    (tmp_path / "off.sgf").write_text("(;SZ[9];B[ee];W[zz];B[cc])")
    net = nets.load("go-9x9")
    sample = worlds.open_sample(tmp_path / "off.sgf", net.input_spec)
    (note,) = worlds.world_of(net.input_spec).notes(sample)
    assert "left out" in note and not note.endswith(".")
    assert (sample.original.stones > 0).sum() == 1
    assert worlds.world_of(net.input_spec).notes(worlds.open_sample(".........\n" * 9, net.input_spec)) == ()


def test_compiling_is_said_until_it_is_done(tmp_path):
    """In a process of its own, with an empty cache: numba keeps machine code there."""
    code = (
        "from convscope import worlds\n"
        "from convscope.worlds.go import Board\n"
        "go = worlds.WORLDS['go']\n"
        "print(bool(go.first_use()))\n"
        "Board(5).play('A1')\n"
        "print(bool(go.first_use()))\n"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "False"]
