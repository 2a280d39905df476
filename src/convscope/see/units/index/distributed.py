"""Distribute one pass over several processes: started by torchrun, merged on the first one over gloo."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from convscope.see.units.index.accumulators import UnitAccumulator


@dataclass(frozen=True)
class ProcessShard:
    """One of `count` processes, counted from 0 by `rank`."""

    rank: int = 0
    count: int = 1

    def merged(
        self, tally: UnitAccumulator, problems: tuple[str, ...]
    ) -> tuple[UnitAccumulator, tuple[str, ...]] | None:
        """Merge the accumulators of all processes on the first one; a collective call.

        Args:
            tally: this process's accumulator.
            problems: this process's unreadable files.

        Returns:
            The merged accumulator and all problems, sorted, on the first process; None on the others.
        """
        if self.count == 1:
            return tally, problems
        parts = [self._gathered(tensor) for tensor in tally.tensors().values()]
        words = self._gathered_words(problems)
        if parts[0] is None or words is None:
            return None
        merged = tally
        for other in range(1, self.count):
            tensors = {name: part[other] for name, part in zip(tally.tensors(), parts, strict=True) if part}
            merged = merged.merged(UnitAccumulator.of(tensors))
        return merged, words

    def _gathered(self, tensor: Tensor) -> list[Tensor] | None:
        """Gather tensors of the same shape from every process, on the first."""
        tensor = tensor.contiguous()
        room = [torch.empty_like(tensor) for _ in range(self.count)] if self.rank == 0 else None
        distributed.gather(tensor, room)
        return room

    def _gathered_words(self, words: tuple[str, ...]) -> tuple[str, ...] | None:
        text = torch.frombuffer(bytearray(json.dumps(words).encode()), dtype=torch.uint8)
        longest = torch.tensor([len(text)])
        distributed.all_reduce(longest, distributed.ReduceOp.MAX)
        padded = torch.full((int(longest),), 32, dtype=torch.uint8)
        padded[: len(text)] = text
        found = self._gathered(padded)
        if found is None:
            return None
        return tuple(sorted({word for part in found for word in json.loads(bytes(part.tolist()))}))


SINGLE_PROCESS = ProcessShard()


@contextmanager
def shard_from_env() -> Iterator[ProcessShard]:
    """Yield this process's shard according to torchrun's environment variables; a single one without them.

    The gloo process group exists while the context is open.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1 or "RANK" not in os.environ:
        yield SINGLE_PROCESS
        return
    distributed.init_process_group("gloo")
    try:
        yield ProcessShard(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
