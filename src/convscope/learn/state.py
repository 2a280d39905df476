"""A training at the boundary between two batches: all that is needed to go on exactly."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn, optim

from convscope.errors import DataError
from convscope.learn.atomic import write_tensors, write_text
from convscope.nets.weights import pour, read_weights

FORMAT = 1
VALUES = frozenset({"epoch", "step", "steps", "seen", "sums", "seconds", "choice", "scaler", "history"})


@dataclass(frozen=True)
class State:
    """Tensors (weights, optimiser, random numbers) and plain values (position, sums, history)."""

    tensors: dict[str, Tensor]
    values: dict[str, Any]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors below a prefix, without it."""
        return {
            n.removeprefix(f"{prefix}/"): t for n, t in self.tensors.items() if n.startswith(f"{prefix}/")
        }

    def write(self, folder: Path) -> None:
        """Store in a folder as safetensors and JSON.

        The JSON names the tensors' file and is written last, so
        a state that was interrupted while being written leaves the one before.
        """
        folder.mkdir(parents=True, exist_ok=True)
        name = f"state-{self.values['epoch']}-{self.values['step']}.safetensors"
        write_tensors(folder / name, self.tensors)
        write_text(
            folder / "state.json", json.dumps({"format": FORMAT, "tensors": name, **self.values}, indent=1)
        )
        for other in folder.glob("state-*.safetensors"):
            if other.name != name:
                other.unlink(missing_ok=True)

    @classmethod
    def read(cls, folder: Path) -> "State":
        """Read what `write` stored.

        Raises:
            DataError: nothing is there, or it is damaged.
        """
        path = folder / "state.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            form, name = values.pop("format"), str(values.pop("tensors"))
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise DataError(f"the state of a training at {path}", received=repr(error)) from None
        missing = VALUES.difference(values)
        if missing:
            raise DataError(f"the state of a training at {path}", received=f"no {', '.join(sorted(missing))}")
        if form != FORMAT or Path(name).name != name:
            raise DataError(
                f"a state of format {FORMAT} at {path}", received=f"format {form}, tensors in {name}"
            )
        return cls(read_weights(folder / name), values)


def packed(module: nn.Module, optimiser: optim.Optimizer, streams: dict[str, Tensor]) -> dict[str, Tensor]:
    """Everything that is a tensor, copied, under one name each."""
    tensors = {f"model/{name}": tensor for name, tensor in module.state_dict().items()}
    for index, weight in enumerate(_weights(optimiser)):
        for name, value in optimiser.state.get(weight, {}).items():
            if isinstance(value, Tensor):
                tensors[f"optimiser/{index}/{name}"] = value
    tensors |= {f"random/{name}": stream for name, stream in streams.items()}
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def unpack(state: State, module: nn.Module, optimiser: optim.Optimizer) -> dict[str, Tensor]:
    """Put weights and optimiser back as they were; the random streams are returned.

    Raises:
        DataError: the state is of another network or optimiser.
    """
    pour(module, state.part("model"), "the run's state")
    weights = _weights(optimiser)
    for name, value in state.part("optimiser").items():
        index, _, key = name.partition("/")
        if not index.isdigit() or int(index) >= len(weights):
            raise DataError("a state of this optimiser", received=f"an entry {name}")
        weight = weights[int(index)]
        optimiser.state[weight][key] = _like(value, weight)
    return state.part("random")


def _like(value: Tensor, weight: Tensor) -> Tensor:
    """With the strides of the weight, which fused optimisers rely on; step counters are left alone."""
    if value.shape != weight.shape or not value.ndim:
        return value.clone()
    return torch.empty_like(weight, dtype=value.dtype).copy_(value)


def _weights(optimiser: optim.Optimizer) -> list[Tensor]:
    return [weight for group in optimiser.param_groups for weight in group["params"]]
