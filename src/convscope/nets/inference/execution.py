"""How a network is computed: precision, memory format and batch size, in one value."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

Precision = Literal["fp32", "bf16", "fp16"]
"""Names of precisions, the same in recipes, flags and results."""
MemoryFormat = Literal["contiguous", "channels_last"]
"""Names of torch's memory formats of images and weights."""
DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""Dtype of each precision."""
MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
"""Torch's memory format by name."""


@dataclass(frozen=True)
class ExecutionConfig:
    """Precision, memory format and batch size of a computation.

    Attributes:
        precision: precision of matrix products and convolutions: `fp32`, `bf16` or `fp16`.
        memory_format: order of the axes of images and weights in memory: `contiguous` or `channels_last`.
        batch: images that are computed at once; 0 where something else sets it.
    """

    precision: Precision = "fp32"
    memory_format: MemoryFormat = "contiguous"
    batch: int = 0

    @property
    def channels_last(self) -> bool:
        """Whether the memory format is `channels_last`."""
        return self.memory_format == "channels_last"

    def exact(self) -> "ExecutionConfig":
        """Return this configuration in float32."""
        return replace(self, precision="fp32")

    @contextlib.contextmanager
    def autocast(self, device: torch.device) -> Iterator[None]:
        """Enable autocast in this precision inside `with`; does nothing for fp32.

        Args:
            device: the device of the computation.

        Yields:
            None.
        """
        if self.precision == "fp32":
            yield
            return
        with torch.autocast(device.type, DTYPES[self.precision]):
            yield

    def to_memory_format(self, inputs: Tensor) -> Tensor:
        """Convert images to this memory format.

        Args:
            inputs: images `[b c h w]`; tensors with another number of axes are returned unchanged.

        Returns:
            The same values, channels last if so configured; otherwise `inputs` itself.
        """
        if self.channels_last and inputs.ndim == 4:
            return inputs.contiguous(memory_format=torch.channels_last)
        return inputs

    def format(self, module: nn.Module) -> None:
        """Convert a module's weights to this memory format, in place.

        Args:
            module: the module.
        """
        module.to(memory_format=MEMORY_FORMATS[self.memory_format])


PLAIN = ExecutionConfig()
"""Float32 in the contiguous memory format."""
