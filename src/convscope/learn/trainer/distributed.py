"""A training in several processes: all that they send to each other.

torchrun starts the processes and tells each its rank. Every process holds the whole network and computes its
share of each batch; the gradients are summed over all of them, so that the step is that of one process with
the whole batch. All keep the same weights, optimizer entries, averages, sums and position.

No process may skip a collective call that the others make: all calls are here, and `Trainer` makes each of
them in every process alike. Numbers of the host travel by gloo, tensors by the backend of their device.
"""

import atexit
import importlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn

from convscope.errors import ConvscopeError, UsageError
from convscope.system import processes

BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}
"""By the device of a training."""


class LostProcessError(ConvscopeError):
    """Another process of the training has ended, or cannot be reached."""


@dataclass(frozen=True)
class Processes:
    """The processes of a training, as one of them sees them.

    Attributes:
        rank: number of this one, from 0; the one that writes and prints is 0.
        count: how many there are; with 1, nothing is ever sent.
    """

    rank: int = 0
    count: int = 1

    def bounds(self, size: int) -> tuple[int, int]:
        """Return this process' share of some samples: contiguous, the first shares larger by 1 at most.

        Args:
            size: how many samples all processes have together.

        Returns:
            The first index, and the one after the last.
        """
        share, larger = divmod(size, self.count)
        first = self.rank * share + min(self.rank, larger)
        return first, first + share + (self.rank < larger)

    def totals(self, *numbers: int) -> tuple[int, ...]:
        """Add up whole numbers over all processes.

        Args:
            *numbers: those of this process.

        Returns:
            The sum of each.
        """
        if self.count == 1:
            return numbers
        return tuple(self.sum(torch.tensor(numbers, dtype=torch.int64)).tolist())

    def sum(self, tensor: Tensor) -> Tensor:
        """Add up a tensor over all processes, in place.

        Args:
            tensor: of the same shape in each.

        Returns:
            The same tensor.
        """
        if self.count > 1:
            with _reported():
                distributed.all_reduce(tensor)
        return tensor

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Add up the gradients over all processes, in place.

        A process that has none for a parameter counts as 0; where no process has one, none is made.

        Args:
            parameters: the same in each process.
        """
        if self.count == 1:
            return
        learned = list(parameters)
        present = self.totals(*(int(p.grad is not None) for p in learned))
        groups: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
        for parameter, there in zip(learned, present, strict=True):
            if there:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                groups.setdefault((parameter.dtype, parameter.device), []).append(parameter.grad)
        for gradients in groups.values():
            self._sum_together(gradients)

    def average_statistics(self, module: nn.Module, kinds: tuple[type, ...]) -> None:
        """Average the running statistics of normalisations over all processes, in place.

        Each process has computed them from its share of the batch, as in PyTorch's DDP.

        Args:
            module: the network; its parts in training mode are averaged.
            kinds: classes of the normalisations.
        """
        if self.count == 1:
            return
        parts = [part for part in module.modules() if isinstance(part, kinds) and part.training]
        found = [getattr(part, name, None) for part in parts for name in ("running_mean", "running_var")]
        statistics = [tensor for tensor in found if isinstance(tensor, Tensor)]
        if statistics:
            self._sum_together(statistics)
            for tensor in statistics:
                tensor.div_(self.count)

    def _sum_together(self, tensors: Sequence[Tensor]) -> None:
        """Add up tensors of one type and device over all processes, in place and in a single call."""
        with torch.no_grad():
            flat = self.sum(torch.cat([tensor.reshape(-1) for tensor in tensors]))
            for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def broadcast_weights(self, module: nn.Module) -> None:
        """Give all processes the parameters and buffers of rank 0.

        Args:
            module: of the same architecture in each.
        """
        if self.count > 1:
            with _reported(), torch.no_grad():
                for tensor in module.state_dict().values():
                    whole = tensor.contiguous()
                    distributed.broadcast(whole, src=0)
                    tensor.copy_(whole)

    def agree(self, value: Any) -> Any:
        """Return what rank 0 has decided.

        Args:
            value: JSON-ready; read in rank 0 alone.

        Returns:
            The value of rank 0, as JSON gives it back.
        """
        if self.count == 1:
            return value
        content = json.dumps(value).encode() if self.rank == 0 else b""
        with _reported():
            size = torch.tensor([len(content)])
            distributed.broadcast(size, src=0)
            text = torch.tensor(list(content), dtype=torch.uint8) if content else None
            text = torch.empty(int(size), dtype=torch.uint8) if text is None else text
            distributed.broadcast(text, src=0)
        return json.loads(bytes(text.tolist()))

    def gather(self, rows: Tensor, size: int) -> Tensor:
        """Put together the rows that all processes have computed, each those of its `bounds`.

        Args:
            rows: `[n ...]`, those of this process.
            size: how many rows there are in all.

        Returns:
            `[size ...]`, in order, in every process; nothing is repeated or missing.
        """
        if self.count == 1:
            return rows
        sizes = [last - first for first, last in (Processes(k, self.count).bounds(size) for k in self._all)]
        padded = rows.new_zeros(max(sizes), *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in self._all]
        with _reported():
            distributed.all_gather(parts, padded)
        return torch.cat([part[:n] for part, n in zip(parts, sizes, strict=True)])

    @property
    def _all(self) -> range:
        return range(self.count)

    def wait(self) -> None:
        """Wait until all processes have come here."""
        self.totals(0)

    @contextmanager
    def random(self, seed: Callable[[], int], device: torch.device) -> Iterator[None]:
        """Draw in each process from a random stream of its own, such as for dropout.

        The stream begins anew, so that no process but rank 0 has a random state to store. With one process
        nothing is changed.

        Args:
            seed: returns that of this process and step; called only where it is needed.
            device: of the training.

        Yields:
            None.
        """
        if self.count == 1:
            yield
            return
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed())
            yield


ALONE = Processes()
"""One process, which sends nothing."""


def join(device: torch.device) -> Processes:
    """Join the other processes of this command, where torchrun has started several.

    Args:
        device: device of the training.

    Returns:
        The processes; a single one where the environment names no others.

    Raises:
        UsageError: there is no backend for the device.
        LostProcessError: the others cannot be reached.
    """
    if processes.count() == 1:
        return ALONE
    if not distributed.is_initialized():
        if device.type not in BACKENDS:
            raise UsageError(
                f"a device on which processes can train together: {', '.join(BACKENDS)}",
                received=device.type,
                hint="Train in one process there: without torchrun.",
            )
        if device.type == "cuda":
            torch.cuda.set_device(device)
        # Imported later, as by the first optimizer, it keeps references to the group, which then cannot end
        # its threads; one that frees a tensor while the interpreter ends aborts the process.
        importlib.import_module("torch._dynamo")
        with _reported():
            store, rank, count = next(distributed.rendezvous("env://"))
            # after a restart the store still has the addresses of the processes before
            own = distributed.PrefixStore(f"convscope-{processes.restarts()}", store)
            distributed.init_process_group(BACKENDS[device.type], store=own, rank=rank, world_size=count)
        atexit.register(_leave)
    return Processes(distributed.get_rank(), distributed.get_world_size())


def local_device(kind: str) -> torch.device:
    """Return this process' device of a kind: one GPU for each process of a machine.

    Args:
        kind: `cpu`, `cuda` or `mps`.

    Returns:
        The device; with a number where several processes share a machine's GPUs.

    Raises:
        UsageError: there are more processes than GPUs.
    """
    if kind != "cuda" or processes.count() == 1:
        return torch.device(kind)
    if processes.local_rank() >= torch.cuda.device_count():
        raise UsageError(
            "a GPU for each process of a machine",
            received=f"{os.environ.get('LOCAL_WORLD_SIZE', processes.count())} processes, "
            f"{torch.cuda.device_count()} GPUs",
            hint="Start fewer processes, or compute on the processor: --device cpu.",
        )
    return torch.device(kind, processes.local_rank())


def _leave() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


@contextmanager
def _reported() -> Iterator[None]:
    """Convert the errors of torch's backends, which name sockets, to one that says what has happened."""
    try:
        yield
    except (RuntimeError, ValueError) as error:  # of a connection, of the environment
        lines = str(error).strip().splitlines()
        raise LostProcessError(
            "all processes of the training",
            received=f"one of them does not answer any more: {lines[0][:200] if lines else error}",
            hint="Its own message is above, if it had one. With --out, and restarts allowed in torchrun, "
            "all go on from the last stored state.",
        ) from None
