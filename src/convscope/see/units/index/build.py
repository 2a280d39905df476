"""Index every unit of every layer in one pass over data, which can be stopped, resumed and distributed.

Each activation is reduced once, as soon as it is computed and still in the processor's caches. Feature maps
are searched again only where a value enters a unit's `k` best so far. That is rare after the first hundred
images: the n-th image is among a unit's k best with a probability of k/n.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convscope.errors import UsageError
from convscope.nets import LayerAddress, Net, takes_network
from convscope.nets.inference.memory import retain_heap
from convscope.see.features.batching import MEMORY, batch_size_for
from convscope.see.features.streaming import ActivationStream
from convscope.see.units.index import storage
from convscope.see.units.index.accumulators import BatchSummary, UnitAccumulator
from convscope.see.units.index.distributed import SINGLE_PROCESS, ProcessShard
from convscope.see.units.index.reduce import ActivationSummary
from convscope.see.units.index.topk import TopKCandidates
from convscope.see.units.index.unit_index import IndexedLayer, UnitIndex, layers_at
from convscope.system.counting import counted
from convscope.system.interrupts import defer_interrupts
from convscope.system.progress import Progress, last_result
from convscope.worlds import DataLike, open_labelled
from convscope.worlds.dataset import LabelledDataset
from convscope.worlds.images.listing import in_text

SAVE_EVERY = 30.0
"""Seconds between saves of the state of a pass."""
OnProgress = Callable[[int, Tensor], None]
"""Called with the index of a layer and its activation `[b u ...]`, while the activation exists."""


@takes_network
def index_units(
    net: Net,
    samples: DataLike,
    places: Sequence[str | LayerAddress] = (),
    *,
    k: int = 9,
    batch: int | None = None,
) -> UnitIndex:
    """Index every unit of all layers, or of the chosen ones, in one pass over the samples.

    For each unit the index holds the images with the largest and smallest activations, a histogram, moments,
    and mean activations by class.

    Args:
        net: any network, or its name; inputs other than the first are held at the middle of their value
            ranges.
        samples: images of the network's input shape, or the name or folder of a data set; files that cannot
            be read are left out.
        places: layers; those of `weighted_layers` if empty.
        k: number of images to keep at either end of each unit's range.
        batch: images per forward pass; if None, as many as keep the activations within about 1 GiB, at most
            256.

    Returns:
        The index.

    Raises:
        PlaceError: a place is not in this network.
        UsageError: there are no samples, they have another shape, or `k` or `batch` is not positive.
    """
    samples = open_labelled(samples, net.input_spec)
    return last_result(iter_index_units(net, samples, places, k=k, batch=batch), "an index of units")


@takes_network
def iter_index_units(
    net: Net,
    samples: LabelledDataset,
    places: Sequence[str | LayerAddress] = (),
    *,
    k: int = 9,
    batch: int | None = None,
    folder: Path | None = None,
    shard: ProcessShard = SINGLE_PROCESS,
    watch: OnProgress | None = None,
) -> Iterator[Progress[UnitIndex]]:
    """Run `index_units`, yielding after each batch.

    With a `folder` the state is saved there: a pass that was stopped or killed continues from the last saved
    state and ends with the identical index, since the batches are the same. Closing the iterator or Ctrl-C
    saves first. Of several processes, each takes every n-th batch; the first one merges their results.

    Args:
        net: any network; inputs other than the first are held at the middle of their value ranges.
        samples: images of the network's input shape; files that cannot be read are left out.
        places: layers; those of `weighted_layers` if empty.
        k: number of images to keep at either end of each unit's range.
        batch: images per forward pass; if None, as many as keep the activations within about 1 GiB, at most
            256.
        folder: folder of the saved state and of the finished index; None keeps everything in memory.
        shard: which of the batches this process takes.
        watch: called with each activation.

    Yields:
        The progress with the index so far, counted in images of this process. The last index is complete, and
        merged on the first of several processes.

    Raises:
        PlaceError: a place is not in this network.
        UsageError: there are no samples, they have another shape, `k` or `batch` is not positive, or the
            folder holds another index.
        DataError: the saved state is damaged.
    """
    found = layers_at(net, places)
    batch = batch_size_for(net, found[0], MEMORY) if batch is None else batch
    _check(net, samples, k, batch)
    state = _Pass(net, samples, found, k, batch, shard, watch)
    store = storage.IndexStore(folder, state.facts, shard) if folder is not None else None
    finished = store.finished() if store is not None else None
    if finished is not None:
        yield Progress(1.0, _images(len(samples), len(samples)), lambda: finished)
        return
    if store is not None:
        state.resume(*store.part(state.accumulator))
    yield from _run_batches(state, store)
    merged = shard.merged(state.accumulator, state.problems)
    if merged is not None:
        state.accumulator, state.problems = merged
        if store is not None:
            store.finish(state.index())
    yield Progress(1.0, _images(state.total, state.total), state.index)


def _run_batches(state: "_Pass", store: "storage.IndexStore | None") -> Iterator[Progress[UnitIndex]]:
    """Run all remaining batches; save the state now and then, and whenever the loop ends."""
    saved_at, saved = time.monotonic(), state.done
    try:
        with retain_heap(), state.stream.open() as run:
            for _ in state.steps(run):
                done = state.done * state.batch
                if done < state.total:
                    yield Progress(done / state.total, _images(done, state.total), state.index)
                if store is not None and time.monotonic() - saved_at > SAVE_EVERY:
                    store.save(state.accumulator, state.done, state.problems)
                    saved_at, saved = time.monotonic(), state.done
    finally:
        if store is not None and saved != state.done:
            store.save(state.accumulator, state.done, state.problems)


def _images(done: int, total: int) -> str:
    return f"{done:,} of {counted(total, 'image')}"


class _Pass:
    """The pass of one process: its batches, and the accumulator of those that are done."""

    def __init__(
        self,
        net: Net,
        samples: LabelledDataset,
        places: tuple[tuple[LayerAddress, ...], tuple[IndexedLayer, ...]],
        k: int,
        batch: int,
        shard: ProcessShard,
        watch: OnProgress | None,
    ) -> None:
        self.net, self.samples, self.k, self.batch, self.watch = net, samples, k, batch, watch
        self.layers = places[1]
        self.firsts = [sum(layer.units for layer in self.layers[:i]) for i in range(len(self.layers) + 1)]
        self.accumulator = UnitAccumulator.empty(self.firsts[-1], k, len(samples.classes))
        self.stream = ActivationStream(net, places[0], self._receive)
        self.batches = list(torch.arange(len(samples)).split(batch))[shard.rank :: shard.count]
        self.total, self.done, self.problems = sum(map(len, self.batches)), 0, ()
        self.paths: tuple[Path, ...] = getattr(samples, "paths", ())
        self.facts = {
            **storage.fingerprint(net, samples),
            "places": [layer.place for layer in self.layers],
            "k": k,
            "batch": batch,
        }
        self.current: _CurrentBatch | None = None

    def index(self) -> UnitIndex:
        """Return the index of the images so far."""
        facts = {
            **self.facts,
            "images": int(self.accumulator.images.max()) if len(self.accumulator.images) else 0,
        }
        return UnitIndex(
            self.layers, self.accumulator, self.samples.classes, self.samples.labels, facts, self.problems
        )

    def resume(self, accumulator: UnitAccumulator | None, done: int, problems: tuple[str, ...]) -> None:
        """Continue from a saved state; None starts from the beginning."""
        if accumulator is not None and done <= len(self.batches):
            self.accumulator, self.done, self.problems = accumulator, done, problems

    def steps(self, run: Callable[[Tensor], None]) -> Iterator[None]:
        """Run the remaining batches, adding each to the accumulator."""
        remaining = self.batches[self.done :]
        indices = torch.cat(remaining) if remaining else torch.empty(0, dtype=torch.int64)
        for numbers, (images, labels) in zip(
            remaining, self.samples.batches(indices, self.batch, self.net.input_spec), strict=True
        ):
            good, batch = self._readable(numbers), None
            if len(good):
                self.current = _CurrentBatch(len(good), numbers[good], len(self.layers))
                run(images[good])
                batch = self.current.batch(self.layers, labels[good])
            with defer_interrupts():
                if batch is not None:
                    self.accumulator.add(batch)
                self.done += 1
            yield

    def _readable(self, numbers: Int64[Tensor, " b"]) -> Int64[Tensor, " kept"]:
        """Return which images of a batch were decoded; a folder replaces damaged ones by others."""
        bad = {problem.path for problem in self.samples.problems}
        if not bad or not self.paths:
            return torch.arange(len(numbers))
        self.problems = tuple(sorted({*self.problems, *bad}))
        return torch.tensor(
            [i for i, n in enumerate(numbers.tolist()) if in_text(self.paths[n]) not in bad],
            dtype=torch.int64,
        )

    def _receive(self, number: int, act: Float[Tensor, "b u *size"]) -> None:
        """Reduce an activation and collect candidates for the extremes; skip ones of unexpected shape."""
        current, units = self.current, self.layers[number].units
        if current is None or act.dim() < 2 or act.shape[:2] != (current.count, units):
            return
        if self.watch is not None:
            self.watch(number, act)
        first = self.firsts[number]
        rows = slice(first, first + units)
        found = ActivationSummary.of(act)
        means, squares = found.moments()
        current.parts[number] = (found.maxima.cpu(), means.cpu(), squares.cpu())
        for ends, kept, lowest in (
            (current.top, self.accumulator.top, False),
            (current.bottom, self.accumulator.bottom, True),
        ):
            ends.append(found.candidates(kept.threshold[rows], current.images, first, self.k, lowest=lowest))


class _CurrentBatch:
    """Reduced activations of the current batch."""

    def __init__(self, count: int, images: Int64[Tensor, " b"], layers: int) -> None:
        self.count, self.images = count, images
        self.parts: list[tuple[Tensor, Tensor, Tensor] | None] = [None] * layers
        self.top: list[TopKCandidates] = []
        self.bottom: list[TopKCandidates] = []

    def batch(self, layers: Sequence[IndexedLayer], labels: Int64[Tensor, " b"]) -> BatchSummary:
        """Combine the layers' reductions; layers that did not run get NaN."""
        missing = [(torch.full((self.count, layer.units), torch.nan),) * 3 for layer in layers]
        parts = [part or gap for part, gap in zip(self.parts, missing, strict=True)]
        peaks, means, squares = (torch.cat(column, 1) for column in zip(*parts, strict=True))
        return BatchSummary(
            peaks,
            means,
            squares,
            TopKCandidates.together(self.top),
            TopKCandidates.together(self.bottom),
            labels,
        )


def _check(net: Net, samples: LabelledDataset, k: int, batch: int) -> None:
    if k < 1 or batch < 1 or len(samples) == 0:
        raise UsageError(
            "samples, and k and batch of 1 or more", received=f"{len(samples)} samples, k={k}, batch={batch}"
        )
    if tuple(samples.shape) != net.input_spec.shape:
        raise UsageError(
            f"pictures of {'x'.join(map(str, net.input_spec.shape))}, which {net.name} looks at",
            received=f"{samples.name} with {'x'.join(map(str, samples.shape))}",
            hint="Name data of the network's own form, or a folder of pictures, which is converted.",
        )
