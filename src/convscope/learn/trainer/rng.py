"""Random streams of a training, separate from the global state of torch's generators."""

from typing import Any

import torch
from torch import Tensor


class Randomness:
    """Keep a random stream of its own for what draws from torch's global generators, such as dropout.

    As a context manager, it installs this stream in the CPU's and the device's generator, and restores their
    former state at the end.

    Args:
        seed: where the stream begins.
        device: device of the training; a CUDA device's generator is included.

    Attributes:
        streams: states of the generators, by `cpu` and `cuda`.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._cuda = device if device.type == "cuda" else None
        outside = self._read()
        torch.random.default_generator.manual_seed(seed)
        if self._cuda:
            torch.cuda.manual_seed(seed)
        self.streams = self._read()
        self._write(outside)

    def __enter__(self) -> None:
        self._outside = self._read()
        self._write(self.streams)

    def __exit__(self, *exception: Any) -> None:
        self.streams = self._read()
        self._write(self._outside)

    def _read(self) -> dict[str, Tensor]:
        streams = {"cpu": torch.random.get_rng_state()}
        if self._cuda:
            streams["cuda"] = torch.cuda.get_rng_state(self._cuda)
        return streams

    def _write(self, streams: dict[str, Tensor]) -> None:
        torch.random.set_rng_state(streams["cpu"])
        if self._cuda and "cuda" in streams:
            torch.cuda.set_rng_state(streams["cuda"], self._cuda)
