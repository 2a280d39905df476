"""Features of a classifier: what its head reads. Computed once for a data set, and cached on disk.

~/.cache/convscope/features/<network>-<fingerprint>/
    0.safetensors, 256.safetensors, ...     the features of `CHUNK` samples each, from that one on

Each file is written as a whole, so that a pass that was interrupted goes on at the first one that is missing.
"""

import hashlib
import re
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from convscope.graph.document import to_json
from convscope.learn.trainer.distributed import ALONE, Processes
from convscope.nets import Net, frozen
from convscope.nets.activations.freezing import run
from convscope.nets.inference.execution import ExecutionConfig
from convscope.nets.inference.inference_copy import inference_copy
from convscope.nets.io.replaced_head import Head
from convscope.nets.io.weights import load_tensors, weights_fingerprint, write_weights
from convscope.system.user_cache import cache_root, prune
from convscope.worlds import LabelledDataset
from convscope.worlds.caching.fingerprint import dataset_fingerprint

CHUNK = 256
"""Samples in a file of the cache."""
BATCH = 8
"""Samples in a forward pass: larger ones were no faster on a CPU, and take more memory."""
EXECUTION = ExecutionConfig("fp32", "channels_last")
"""A fixed choice, not the fastest one measured: the last bits of features depend on it, and every result on
them. Convolutions on a CPU are up to 1.6 times as fast with it; networks without any ignore it."""
LARGEST_CACHE = 2 * 2**30
"""Bytes that all cached features may take; the data sets used longest ago are removed first."""
NAME, DIGEST = "features", "sha256"
FILE = re.compile(r"\d+\.safetensors")


def iter_features(
    net: Net, head: Head, data: LabelledDataset, *, cache: Path | None = None, processes: Processes = ALONE
) -> Generator[float, None, Tensor]:
    """Compute what the head of a classifier reads for each sample of a data set, a chunk at a time.

    The network runs in evaluation mode, in fp32, with its batch normalisations folded into the convolutions.

    Args:
        net: the classifier; left unchanged.
        head: its head.
        data: labelled samples.
        cache: folder of the chunks; nothing is kept if left out. A chunk is not kept where files of the data
            could not be read: another one stands in their place.
        processes: those that train together; each computes its share of the chunks.

    Yields:
        The share of this process' chunks that is done, 0 to 1.

    Returns:
        Features `[n head.in_features]` in fp32, on the CPU; all of them in every process.

    Raises:
        LostProcessError: another process does not answer.
    """
    chunks = torch.arange(len(data)).split(CHUNK)
    own = chunks[slice(*processes.bounds(len(chunks)))]
    size, done = sum(map(len, own)), 0
    found = torch.zeros(len(data), head.in_features)
    reader = None
    for indices in own:
        start = int(indices[0])
        chunk = _read(cache, start, (len(indices), head.in_features))
        if chunk is None:
            reader = reader or _Reader(net, head, data)
            parts: list[Tensor] = []
            for part in reader.features(data, indices):
                parts.append(part)
                yield (done + sum(map(len, parts))) / size
            chunk = torch.cat(parts)
            if cache is not None and not data.problems:
                _write(cache, start, chunk)
        found[indices] = chunk
        done += len(indices)
        yield done / size
    return processes.sum(found)


class _Reader:
    """Compute features with a folded copy of a network."""

    def __init__(self, net: Net, head: Head, data: LabelledDataset) -> None:
        first = data.inputs([0], net.input_spec).to(net.device)
        with torch.no_grad():
            self.net = inference_copy(net, first, (), EXECUTION)
        self.head, self.layer = head, self.net.module.get_submodule(head.path)

    def features(self, data: LabelledDataset, indices: Tensor) -> Iterator[Tensor]:
        """Yield the features of some samples, a batch at a time, on the CPU."""
        read: list[Tensor] = []
        handle = self.layer.register_forward_pre_hook(lambda _layer, inputs: read.append(inputs[0]))
        try:
            with torch.no_grad(), frozen(self.net.module):
                for loaded, _labels in data.batches(indices, BATCH, self.net.input_spec):
                    inputs = EXECUTION.to_memory_format(loaded.to(self.net.device))
                    run(self.net.module, *self.net.normalise(inputs))
                    yield self.head.features(read.pop().float()).cpu().clone()
        finally:
            handle.remove()


def cache_folder(net: Net, head: Head, data: LabelledDataset) -> Path:
    """Return the folder, in the user's cache, of the features of a data set.

    Args:
        net: the classifier; its architecture, its device, and all weights but the head's decide the name.
        head: its head.
        data: the data; its content is part of the name.

    Returns:
        The path; it need not exist. It is below `$XDG_CACHE_HOME`, or `~/.cache` where that is not set.
    """
    weights = {n: t for n, t in net.module.state_dict().items() if not n.startswith(f"{head.path}.")}
    graph = None if net.graph is None else to_json(net.graph)
    made_from = (
        weights_fingerprint(weights),
        (repr(net.module), graph, net.config),  # parts without weights, such as activation functions
        (head.path, net.input_specs, net.device.type, torch.__version__),
        dataset_fingerprint(data),
    )
    digest = hashlib.sha256(repr(made_from).encode()).hexdigest()[:16]
    plain = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in net.name)[:60]
    return cache_root(NAME) / f"{plain}-{digest}"


def prune_cache(keep: Path) -> None:
    """Remove the features that were used longest ago until all take no more than `LARGEST_CACHE`.

    Args:
        keep: a folder in use, which stays.
    """
    prune(keep, FILE, LARGEST_CACHE)


def _read(cache: Path | None, start: int, shape: tuple[int, int]) -> Tensor | None:
    """Return a chunk from the cache; None where it is missing, damaged or of another shape."""
    if cache is None:
        return None
    try:
        found = load_tensors(cache / f"{start}.safetensors")
    except (OSError, ValueError):
        return None
    chunk, digest = found.get(NAME), found.get(DIGEST)
    if chunk is None or digest is None or chunk.dtype != torch.float32 or chunk.shape != shape:
        return None
    return chunk if torch.equal(digest, _digest(chunk)) and bool(torch.isfinite(chunk).all()) else None


def _write(cache: Path, start: int, chunk: Tensor) -> None:
    """Write a chunk to the cache; a full disk only means that it is computed again."""
    with suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
        write_weights(cache / f"{start}.safetensors", {NAME: chunk, DIGEST: _digest(chunk)})


def _digest(chunk: Tensor) -> Tensor:
    """Return the SHA-256 of a chunk, `[32]` bytes."""
    return torch.tensor(list(hashlib.sha256(chunk.contiguous().numpy().data).digest()), dtype=torch.uint8)
