"""Batches of squares of photographs, in an order that any moment can be resumed from."""

import random
from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from convscope.worlds import UnlabelledImages


class RandomCrops:
    """Random squares in [0, 1], each with the number of the style that it shall get.

    Order, squares and styles follow from seed, epoch and step alone.

    Args:
        photographs: what to cut from.
        styles: how many there are; they take turns.
        batch: squares in a batch; fewer, where there are fewer photographs.
        side: of a square, in pixels.
        seed: of the training.
        device: where batches go.
    """

    def __init__(
        self,
        photographs: UnlabelledImages,
        styles: int,
        *,
        batch: int,
        side: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self.photographs, self.styles, self.side, self.seed = photographs, styles, side, seed
        self.batch, self.device = min(batch, len(photographs)), device
        self.steps = len(photographs) // self.batch

    @property
    def problems(self) -> int:
        """Files that could not be used."""
        return len(self.photographs.problems)

    def batches(self, epoch: int, skip: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch, without the first `skip`."""
        order = torch.randperm(len(self.photographs), generator=self._generator("order", epoch))
        for step in range(skip, self.steps):
            chosen = order[step * self.batch : (step + 1) * self.batch]
            generator = self._generator("squares", epoch, step)
            squares = self.photographs.squares(chosen.tolist(), self.side, generator)
            first = (epoch * self.steps + step) * self.batch
            styles = (torch.arange(len(chosen)) + first) % self.styles
            yield squares.to(self.device).float() / 255, styles.to(self.device)

    def _generator(self, *parts: int | str) -> Generator:
        """The same numbers on every machine."""
        return Generator().manual_seed(random.Random("/".join(map(str, (self.seed, *parts)))).getrandbits(63))
