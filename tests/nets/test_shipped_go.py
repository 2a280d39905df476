"""The Go networks that ship: small files, and moves of games that they have not learned from."""

import lzma
from importlib.resources import files

import numpy as np
import pytest
import torch

from convscope import nets
from convscope.worlds.go import GoPositions, packaged, plane_names, read_table


@pytest.mark.parametrize("name", ["go-9x9", "go-19x19"])
def test_files_are_small_and_weights_are_there(name):
    folder = files("convscope.nets") / "data" / name
    assert sum(len(part.read_bytes()) for part in folder.iterdir()) < 500_000
    net = nets.load(name)
    assert net.source.weights != "none" and net.dtype == torch.float32
    assert plane_names(net.input_spec) == net.input_spec.vocabulary
    assert net.input_spec.shape == nets.load(name.replace("go-", "go-residual-")).input_spec.shape


def shares(net, data, count):
    """Return the shares of moves that are the first choice, and of winners that are right."""
    rows = torch.linspace(0, len(data) - 1, count).long()
    with torch.no_grad():
        found = net(data.inputs(rows, net.input_spec))
    right = found["policy"].argmax(1) == data.labels[rows]
    winner = found["value"][:, 0] * data.outcomes[rows] > 0
    return float(right.double().mean()), float(winner.double().mean())


def test_moves_of_gnugo_on_9x9():
    first, winner = shares(nets.load("go-9x9"), packaged.test(), 600)
    assert first > 0.48
    assert winner > 0.75


def test_moves_of_professionals_on_19x19(shared_data, tmp_path):
    with lzma.open(shared_data / "go" / "tom_9d_games.tsv.xz", "rt") as lines:
        every = list(lines)
    held_out = np.random.Generator(np.random.PCG64(packaged.SEED)).permutation(len(every))[: len(every) // 10]
    some = [every[number] for number in held_out[:25]]
    (tmp_path / "some.tsv").write_text("".join(some))
    first, _ = shares(nets.load("go-19x19"), GoPositions(read_table(tmp_path / "some.tsv")), 400)
    assert first > 0.28
