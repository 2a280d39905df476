"""Parts of networks by address, and whether they have moved."""

import torch

from convscope.learn import Trainer
from convscope.learn.trainer.freezing.resolving import resolve
from convscope.learn.trainer.freezing.selection import union
from convscope.nets import Net

NORMED = "conv 4 3x3, batchnorm, relu, maxpool 2, conv 6 3x3, batchnorm, relu, maxpool 2, flatten, dense 10"


def copied(net: Net) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in net.module.state_dict().items()}


def masks(net: Net, *addresses: str) -> dict[str, torch.Tensor]:
    """Every tensor of the network, true where an address selects it."""
    chosen = union(resolve(net.module, text) for text in addresses)
    found = {n: torch.zeros(t.shape, dtype=torch.bool) for n, t in net.module.state_dict().items()}
    for name, mask in chosen.items():
        found[name] = torch.ones_like(found[name]) if mask is None else mask
    return found


def stepped(trainer: Trainer, steps: int) -> None:
    """Run some steps, one event for each; the iteration goes on where it stood."""
    events = iter(trainer)
    end = trainer.epoch * trainer.batch_source.steps + trainer.step + steps
    while trainer.epoch * trainer.batch_source.steps + trainer.step < end:
        trainer.pause()
        next(events)
    events.close()


def check_still(before, after, frozen):
    """Not a bit of what is frozen has changed."""
    for name, mask in frozen.items():
        assert torch.equal(before[name][mask], after[name][mask]), name


def check_moved(before, after, free):
    """Nearly all other weights have changed, and every running statistic."""
    for name, mask in free.items():
        if not before[name].is_floating_point() or not bool(mask.any()):
            continue
        changed = (before[name] != after[name])[mask]
        assert bool(changed.any()), name
        if "running" in name:
            assert bool(changed.all()), name


def inverse(found):
    return {name: ~mask for name, mask in found.items()}
