"""Batches of random square crops of photographs, in an order that can be resumed at any step."""

from collections.abc import Iterator

import torch
from torch import Generator
from typing_extensions import override

from convscope.learn.batches.source import BatchSource, seed_of
from convscope.worlds import Batch, UnlabelledImages


class RandomCrops(BatchSource):
    """Yield random square crops of photographs, each with the index of a style.

    Order, crops and styles follow from seed, epoch and step alone, so no random state must be stored to
    resume.

    Args:
        photographs: what to crop; half of the crops are mirrored.
        styles: number of styles; they take turns over the crops.
        batch: crops in a batch; fewer, where there are fewer photographs.
        side: side of a crop, in pixels, after scaling.
        seed: seed of the training.
        device: where batches are moved.

    Attributes:
        steps: batches of an epoch; photographs that fill no whole batch are left out.
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
    @override
    def problems(self) -> int:
        """Number of files that could not be used."""
        return len(self.photographs.problems)

    @override
    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        """Yield the batches of one epoch.

        Args:
            epoch: index of the epoch, from 0.
            skip: number of batches to leave out at the beginning.

        Yields:
            Crops `[b 3 side side]` in [0, 1], with style indices `[b]` (int64) as targets, on the device.
        """
        order = torch.randperm(len(self.photographs), generator=self._generator("order", epoch))
        for step in range(skip, self.steps):
            chosen = order[step * self.batch : (step + 1) * self.batch]
            generator = self._generator("squares", epoch, step)
            squares = self.photographs.squares(chosen.tolist(), self.side, generator)
            first = (epoch * self.steps + step) * self.batch
            styles = (torch.arange(len(chosen)) + first) % self.styles
            yield Batch((squares.to(self.device).float() / 255,), styles.to(self.device))

    def _generator(self, *parts: int | str) -> Generator:
        """Return a generator seeded by the training's seed and `parts`; the same on every machine."""
        return Generator().manual_seed(seed_of(self.seed, *parts))
