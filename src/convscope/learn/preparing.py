"""From a plan to what it names: the network, the pictures to learn from and to test on."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from convscope import nets, worlds
from convscope.errors import MissingError, UsageError
from convscope.graph.chain import chain
from convscope.graph.contract import InputContract
from convscope.learn.feeding import seed_of
from convscope.learn.plan import Plan
from convscope.nets import Net
from convscope.worlds import Samples
from convscope.worlds.listing import SPLITS, list_folder

HELD_OUT = 5
"""Where a folder has no part to test on, every fifth picture of each class is kept for that."""


@dataclass(frozen=True)
class Lesson:
    """What a training needs beside its plan."""

    net: Net
    train: Samples
    test: Samples


def prepare(plan: Plan) -> Lesson:
    """Load what a plan names, on its device.

    A chain of layers in place of a network's name takes its input from the data.

    Raises:
        UsageError: nothing has that name.
        MissingError: the device, the data or a package is not here.
        DataError: the data is damaged.
    """
    device = find_device(plan.device)
    if " " in plan.network and not os.path.exists(plan.network):  # noqa: PTH110  # takes text of any length
        train, test = _data(plan, None)
        contract = train.contract
        graph = chain("x".join(map(str, contract.shape)), plan.network)
        net = nets.wrap(nets.build(graph, seed=plan.seed), contract, train.classes, name="chain")
    else:
        net = nets.load(plan.network, weights="packaged", seed=plan.seed)
        train, test = _data(plan, net.contract)
    return Lesson(net.to(device), train, test)


def find_device(name: str) -> torch.device:
    """The device that a name means here; `auto` is the fastest there is.

    Raises:
        MissingError: there is no such device.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, here in there.items() if here))
    if not there.get(name, False):
        raise MissingError(
            "a device of this machine", received=name, hint="Use --device auto, or see: convscope doctor"
        )
    return torch.device(name)


def _data(plan: Plan, contract: InputContract | None) -> tuple[Samples, Samples]:
    where = Path(plan.data)
    if plan.data == "digits" or not os.path.isdir(plan.data):  # noqa: PTH112  # takes text of any length
        return _part(plan, "train"), _part(plan, "test")
    known = contract if contract is not None and len(contract.size) == 2 else None
    splits = [name for name in SPLITS if name in list_folder(where).splits]
    held = next((name for name in reversed(splits) if name != "train"), None)
    if "train" in splits and held:
        return worlds.open(where, "train", contract=known), worlds.open(where, held, contract=known)
    everything = worlds.open(where, splits[0] if splits else None, contract=known)
    return _divided(everything, plan.seed)


def _part(plan: Plan, split: str) -> Samples:
    return worlds.open(plan.data, split, root=plan.root, download=plan.download)


def _divided(samples: Samples, seed: int) -> tuple[Samples, Samples]:
    """Train and test, class by class."""
    generator = torch.Generator().manual_seed(seed_of(seed, "held out"))
    kept, held = [], []
    for label in range(len(samples.classes)):
        members = (samples.labels == label).nonzero().flatten()
        members = members[torch.randperm(len(members), generator=generator)]
        held.append(members[: len(members) // HELD_OUT])
        kept.append(members[len(members) // HELD_OUT :])
    if not sum(map(len, held)):
        raise UsageError(
            f"{HELD_OUT} pictures or more in a class, to learn from and to test on",
            received=f"{len(samples)} in all",
        )
    return samples.take(torch.cat(kept)), samples.take(torch.cat(held))
