"""Whether a network is bit for bit what it was."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

HOOKS = tuple(name for name in vars(nn.Module()) if name.endswith("_hooks"))


def _hooks(part: nn.Module) -> dict[str, list[int]]:
    return {name: list(getattr(part, name) or ()) for name in HOOKS}


def photograph(module: nn.Module) -> dict:
    """Everything about a network that looking must not change."""
    return {
        "hooks": {name: _hooks(part) for name, part in module.named_modules()},
        "methods": {
            name: sorted(k for k in vars(part) if callable(vars(part)[k]))
            for name, part in module.named_modules()
        },
        "classes": {name: type(part) for name, part in module.named_modules()},
        "modes": {name: part.training for name, part in module.named_modules()},
        "flags": {name: p.requires_grad for name, p in module.named_parameters()},
        "identities": {name: id(p) for name, p in [*module.named_parameters(), *module.named_buffers()]},
        "gradients": {
            name: p.grad if p.grad is None else p.grad.clone() for name, p in module.named_parameters()
        },
        "values": {name: t.detach().clone() for name, t in module.state_dict(keep_vars=True).items()},
        "inplace": {name: getattr(part, "inplace", None) for name, part in module.named_modules()},
        "global": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.get_default_dtype()),
    }


@contextmanager
def untouched(module: nn.Module) -> Iterator[None]:
    """Fails where the block leaves a trace on the network, also when the block raises."""
    before = photograph(module)
    state = torch.random.get_rng_state()
    try:
        yield
    finally:
        after = photograph(module)
        for what in before:
            if what in ("values", "gradients"):
                assert before[what].keys() == after[what].keys(), what
                for name, value in before[what].items():
                    other = after[what][name]
                    same = (value is None and other is None) or (
                        value is not None
                        and other is not None
                        and value.dtype == other.dtype
                        and bool(((value == other) | (value.isnan() & other.isnan())).all())
                    )
                    assert same, (what, name)
            else:
                assert before[what] == after[what], what
        assert torch.equal(state, torch.random.get_rng_state()), "the global generator moved"
