"""KataGo's network of version 8 in torch, and its input planes, as a peer for ours.

The file format, the network and the planes are those of KataGo's source (lightvector/KataGo, cpp/neuralnet:
desc.cpp, nninputs.cpp), reimplemented for the policy alone. Rules are Japanese, so that the planes of areas
are empty.
"""

import gzip
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope.worlds.go import Board

PLANES, NUMBERS = 22, 19
KOMI = 6.5
LAST_MOVES = 5
"""How many moves before the position are among the planes."""


class Reader:
    """Words and arrays of a model file.

    Args:
        path: the file, compressed by gzip.
    """

    def __init__(self, path: Path) -> None:
        self.data, self.at = gzip.decompress(path.read_bytes()), 0

    def word(self) -> str:
        """Read up to the next white space."""
        while self.data[self.at : self.at + 1].isspace():
            self.at += 1
        start = self.at
        while not self.data[self.at : self.at + 1].isspace():
            self.at += 1
        return self.data[start : self.at].decode()

    def number(self) -> int:
        """Read a whole number."""
        return int(self.word())

    def array(self, *shape: int) -> Tensor:
        """Read floats behind their mark."""
        self.at = self.data.index(b"@BIN@", self.at) + 5
        count = int(np.prod(shape))
        found = np.frombuffer(self.data, "<f4", count, self.at).reshape(shape)
        self.at += 4 * count
        return torch.from_numpy(found.copy())

    def convolution(self) -> nn.Conv2d:
        """Read a convolution without bias."""
        self.word()
        height, width, into, out, dilation, _ = (self.number() for _ in range(6))
        layer = nn.Conv2d(into, out, (height, width), padding="same", dilation=dilation, bias=False)
        layer.weight.data = self.array(height, width, into, out).permute(3, 2, 0, 1).contiguous()
        return layer

    def norm(self) -> nn.BatchNorm2d:
        """Read a batch normalisation and the name of the activation behind it."""
        self.word()
        count, epsilon = self.number(), float(self.word())
        scaled, shifted = self.number(), self.number()
        layer = nn.BatchNorm2d(count, epsilon).eval()
        layer.running_mean, layer.running_var = self.array(count), self.array(count)
        if scaled:
            layer.weight.data = self.array(count)
        if shifted:
            layer.bias.data = self.array(count)
        self.word()  # the activation's name, which follows every norm: always a ReLU
        return layer

    def dense(self) -> nn.Linear:
        """Read a matrix."""
        self.word()
        into, out = self.number(), self.number()
        layer = nn.Linear(into, out, bias=False)
        layer.weight.data = self.array(into, out).T.contiguous()
        return layer


def pooled(maps: Tensor) -> Tensor:
    """Return mean, mean scaled by the board's size, and maximum of each channel."""
    mean = maps.mean((2, 3))
    return torch.cat([mean, mean * ((maps.shape[2] * maps.shape[3]) ** 0.5 - 14) / 10, maps.amax((2, 3))], 1)


class Block(nn.Module):
    """A residual block, activations first; with global pooling where the file says so."""

    def __init__(self, read: Reader) -> None:
        super().__init__()
        self.pools = read.word() == "gpool_block"
        read.word()
        self.before, self.regular = read.norm(), read.convolution()
        if self.pools:
            self.gather, self.gathered, self.bias = read.convolution(), read.norm(), read.dense()
        self.middle, self.last = read.norm(), read.convolution()

    def forward(self, maps: Tensor) -> Tensor:
        """Add what the block finds."""
        x = self.before(maps).relu()
        inside = self.regular(x)
        if self.pools:
            inside = inside + self.bias(pooled(self.gathered(self.gather(x)).relu()))[:, :, None, None]
        return maps + self.last(self.middle(inside).relu())


class KataGo(nn.Module):
    """The policy of a network of version 8.

    Args:
        path: its file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        read = Reader(path)
        self.name = read.word()
        version, planes, numbers = read.number(), read.number(), read.number()
        if (version, planes, numbers) != (8, PLANES, NUMBERS):
            raise ValueError(f"a network of version 8, {PLANES} planes, received {version}, {planes}")
        read.word()
        blocks, *_channels = (read.number() for _ in range(6))
        self.first, self.numbers = read.convolution(), read.dense()
        self.blocks = nn.Sequential(*(Block(read) for _ in range(blocks)))
        self.tip = read.norm()
        read.word()
        self.points, self.gather, self.gathered = read.convolution(), read.convolution(), read.norm()
        self.bias, self.normed, self.policy = read.dense(), read.norm(), read.convolution()

    def forward(self, planes: Tensor, numbers: Tensor) -> Tensor:
        """Return logits of the points `[b, size * size]`."""
        x = self.first(planes) + self.numbers(numbers)[:, :, None, None]
        x = self.tip(self.blocks(x)).relu()
        bias = self.bias(pooled(self.gathered(self.gather(x)).relu()))[:, :, None, None]
        return self.policy(self.normed(self.points(x) + bias).relu())[:, 0].flatten(1)


def inputs(board: Board) -> tuple[np.ndarray, np.ndarray]:
    """Compute the planes and numbers of a position.

    Args:
        board: the position with its game.

    Returns:
        `[22, size, size]` and `[19]`, float32.
    """
    planes, numbers = np.zeros((PLANES, board.size, board.size), np.float32), np.zeros(NUMBERS, np.float32)
    own, stones = board.to_play, board.stones
    moves = [move.point for move in board.history]
    planes[0] = 1
    planes[1], planes[2] = stones == own, stones == 3 - own
    for chain in chains(board):
        liberties = board.liberties(chain[0])
        if liberties <= 3:
            planes[2 + liberties][tuple(zip(*chain, strict=True))] = 1
    if board.ko is not None:
        planes[6][board.ko] = 1
    for k, move in enumerate(moves[: -LAST_MOVES - 1 : -1]):
        if move is None:
            numbers[k] = 1
        else:
            planes[9 + k][move] = 1
    numbers[5] = (-KOMI if own == 1 else KOMI) / 20
    numbers[9] = numbers[10] = 1
    numbers[14] = float(bool(moves) and moves[-1] is None)
    earlier = board.copy()
    for plane in (14, 15, 16):
        fill_ladders(earlier, planes, plane, own)
        if earlier.history:
            earlier.undo()
    return planes, numbers


def chains(board: Board) -> list[tuple[tuple[int, int], ...]]:
    """Return the chains of a board."""
    seen: set[tuple[int, int]] = set()
    found = []
    for row, column in zip(*np.nonzero(board.stones), strict=True):
        point = (int(row), int(column))
        if point not in seen:
            found.append(board.chain(point))
            seen.update(found[-1])
    return found


def fill_ladders(board: Board, planes: np.ndarray, plane: int, own: int) -> None:
    """Mark the chains that a ladder takes, and on the newest position the moves that do."""
    for chain in chains(board):
        liberties = board.liberties(chain[0])
        if liberties > 2:
            continue
        attack = board.ladder_attack(chain[0]) if liberties == 2 else None
        taken = attack is not None if liberties == 2 else board.ladder_escape(chain[0]) is None
        if taken:
            planes[plane][tuple(zip(*chain, strict=True))] = 1
            if plane == 14 and attack is not None and board.stones[chain[0]] != own:
                planes[17][attack] = 1


def logits(net: KataGo, planes: Tensor, numbers: Tensor, batch: int = 128) -> Tensor:
    """Compute the logits of many positions."""
    with torch.inference_mode():
        parts = zip(planes.split(batch), numbers.split(batch), strict=True)
        return torch.cat([functional.log_softmax(net(x, y), 1) for x, y in parts])
