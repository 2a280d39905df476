"""Check a stored state, value by value and tensor by tensor, before anything of it is passed to torch.

A checksum detects accidental damage only. These checks also hold where somebody has recomputed it: a
tensor of another shape in an optimizer makes its compiled code write beyond the end of memory.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn, optim

from convscope.errors import ConvscopeError, DataError
from convscope.learn.optimization.optimizers import make_optimizer
from convscope.learn.optimization.rates import read_changes
from convscope.learn.optimization.schedules import extends
from convscope.learn.recipe import TrainRecipe
from convscope.learn.tasks.metrics import MetricSpec
from convscope.learn.trainer import values as check
from convscope.learn.trainer.events import Epoch
from convscope.learn.trainer.freezing.records import position
from convscope.learn.trainer.state import DAMAGED, State, weights_of
from convscope.nets import Net
from convscope.nets.inference.execution import DTYPES, MEMORY_FORMATS

NEVER_NEGATIVE = frozenset({"exp_avg_sq", "max_exp_avg_sq", "square_avg", "acc_delta"})
"""Optimizer entries that are averages of squares."""
FREE = frozenset({"epochs", "resume"})
"""Settings that may differ between a run's recipe and its state."""
MERSENNE = struct.Struct("<QiiQ624Qdddi4xfB3x")
"""torch's state of a CPU generator: seed, left, seeded, next, 624 words, three numbers of the normal
distribution, and whether one is left over. Source: aten/src/ATen/CPUGeneratorImpl.cpp."""
WORDS = 624


@dataclass(frozen=True)
class Expected:
    """Hold what a training expects of a state that it shall resume.

    Attributes:
        net: network of the training.
        recipe: recipe of the training; it names the task.
        optimizers: fresh optimizers of the training, by name.
        sums: how many values the task sums over an epoch.
        specs: the task's metrics.
        steps: batches of an epoch.
        scaler: state of a fresh loss scaler for fp16.
        streams: fresh random streams.
    """

    net: Net
    recipe: TrainRecipe
    optimizers: Mapping[str, optim.Optimizer]
    sums: int
    specs: Sequence[MetricSpec]
    steps: int
    scaler: Mapping[str, Any]
    streams: Mapping[str, Tensor]


def check_state(state: State, expected: Expected) -> None:
    """Check that a state fits the training that it shall resume; nothing is changed.

    Args:
        state: state, as read.
        expected: the training.

    Raises:
        DataError: a value or tensor is missing, unknown, or of another type, shape or range.
    """
    values, net, recipe, steps = state.values, expected.net, expected.recipe, expected.steps
    if values["steps"] != steps and type(values["steps"]) is int:
        raise DataError(
            "the data and batch size of the run that is resumed",
            received=f"{steps} steps in an epoch, where there were {check.shown(values['steps'])}",
            hint="Put the data back, or begin another run from the weights: convscope train RUN DATA",
        )
    try:
        _check_recipe(values["recipe"], recipe)
        _check_position(values, recipe, expected.sums, steps)
        check.text("device", values["device"])
        _check_execution(values["execution"], recipe)
        scalers = check.fields("scalers", values["scalers"], expected.optimizers)
        for scaler in scalers.values():
            _check_scaler(scaler, expected.scaler, values["execution"]["precision"])
        _check_history(values["history"], values["epoch"], expected)
        read_changes(values["lr_changes"], position(values), steps)
    except ValueError as error:
        raise DataError("the state of this training", received=str(error), hint=DAMAGED) from None
    if values["device"] != net.device.type:
        raise DataError(
            f"a run that began on this device, {net.device.type}",
            received=f"one of {values['device']}",
            hint="Its random numbers exist there only: start another run from its weights.",
        )
    try:
        _check_weights("model", state.part("model"), net.module)
        chosen = any(entry["best"] for entry in values["history"])
        for part, wanted in (("ema", recipe.ema is not None), ("best", chosen)):
            if wanted or state.part(part):
                _check_weights(part, state.part(part), net.module if wanted else nn.Module())
        done = values["epoch"] * steps + values["step"]
        moved = check.fields("moved", values["moved"], expected.optimizers)
        named = {name.rpartition("/")[0].partition("/")[0] for name in state.part("optimizer")}
        _check_names("optimizer", named | set(moved), expected.optimizers)
        for name, optimizer in expected.optimizers.items():
            _check_entries(name, state.part(f"optimizer/{name}"), moved[name], optimizer, recipe, done)
        _check_streams(state.part("random"), expected.streams)
        _check_prefixes(state.tensors)
    except ValueError as error:
        raise DataError(
            f"a state with weights that fit {net.name}",
            received=str(error),
            hint="The network must be the one of the run that is resumed.",
        ) from None


def _check_recipe(stored: Any, recipe: TrainRecipe) -> None:
    """Check that the state was made with the run's recipe; only `epochs` may have been raised since."""
    if not isinstance(stored, dict):
        raise ValueError(f"recipe: a table was expected, not {check.shown(stored)}")
    try:
        before = type(recipe).parse(stored)
    except ConvscopeError as error:
        raise ValueError(f"recipe: {check.shown(error.received, 300)}") from None
    for name in type(recipe).model_fields:
        if name not in FREE and getattr(before, name) != getattr(recipe, name):
            raise ValueError(
                f"a state made with {name} {check.shown(getattr(before, name))}, where the recipe says "
                f"{check.shown(getattr(recipe, name))}"
            )
    if before.epochs != recipe.epochs and not (before.epochs < recipe.epochs and extends(recipe)):
        raise ValueError(f"a state of a run of {before.epochs} epochs, where the recipe says {recipe.epochs}")


def _check_position(values: Mapping[str, Any], recipe: TrainRecipe, sums: int, steps: int) -> None:
    epoch = check.integer("epoch", values["epoch"], 0, recipe.epochs)
    step = check.integer("step", values["step"], 0, steps if epoch < recipe.epochs else 0)
    check.integer("steps", values["steps"], steps, steps)
    seen = check.integer("seen", values["seen"])
    if (step == 0) != (seen == 0) or seen < step:
        raise ValueError(f"seen: {seen} after {step} steps of the epoch")
    for value in check.items("sums", values["sums"], sums):
        check.number("sums", value)
    if step == 0 and any(values["sums"]):
        raise ValueError("sums: zeros were expected before the first step of an epoch")
    check.number("seconds", values["seconds"], 0, 1e12)


def _check_execution(execution: Any, recipe: TrainRecipe) -> None:
    found = check.fields("execution", execution, ("precision", "memory_format"))
    wanted = DTYPES if recipe.precision == "auto" else (recipe.precision,)
    check.text("execution.precision", found["precision"], wanted)
    formats = ("contiguous",) if recipe.memory_format == "contiguous" else MEMORY_FORMATS
    check.text("execution.memory_format", found["memory_format"], formats)


def _check_scaler(scaler: Any, own: Mapping[str, Any], precision: str) -> None:
    """Check the state of the fp16 loss scaler; its constants must be torch's."""
    if precision != "fp16":
        check.fields("scaler", scaler, ())
        return
    found = check.fields("scaler", scaler, own)
    check.number("scaler.scale", found["scale"], 1e-30, 1e30)
    for name in ("growth_factor", "backoff_factor", "growth_interval"):
        if type(found[name]) is not type(own[name]) or found[name] != own[name]:
            raise ValueError(f"scaler.{name}: {own[name]} was expected, not {check.shown(found[name])}")
    check.integer("scaler._growth_tracker", found["_growth_tracker"], 0, own["growth_interval"])


def _check_history(history: Any, epoch: int, expected: Expected) -> None:
    for index, entry in enumerate(check.items("history", history, epoch), start=1):
        Epoch.from_json(entry, index, expected.recipe.epochs, expected.specs)


def _check_weights(kind: str, tensors: Mapping[str, Tensor], module: nn.Module) -> None:
    own = module.state_dict()
    _check_names(kind, tensors, own)
    for name, wanted in own.items():
        found = _check_tensor(name, tensors[name], tuple(wanted.shape), wanted.dtype)
        finite = not wanted.is_floating_point() or bool(torch.isfinite(wanted).all())
        if finite:  # a mask of minus infinity is what it is
            _check_finite(name, found)
        if name.rpartition(".")[2] in ("running_var", "num_batches_tracked") and bool((found < 0).any()):
            raise ValueError(f"{name}: a negative value")


def _check_entries(
    name: str,
    tensors: Mapping[str, Tensor],
    moved: Any,
    optimizer: optim.Optimizer,
    recipe: TrainRecipe,
    done: int,
) -> None:
    """Check the entries of an optimizer: complete for each weight that it updated, none for the others."""
    weights = weights_of(optimizer)
    numbers = [check.integer("moved", index, 0, len(weights) - 1) for index in check.items("moved", moved)]
    if numbers != sorted(set(numbers)) or (numbers and not done):
        raise ValueError(f"moved: {check.shown(numbers)} after {done} steps")
    kinds = [_kind(weight, group) for group in optimizer.param_groups for weight in group["params"]]
    entries = {kind: _entry_kinds(recipe, *kind) for kind in set(kinds)}
    wanted = {f"{k}/{entry}" for k in numbers for entry in entries[kinds[k]]}
    _check_names(f"optimizer/{name}", tensors, wanted)
    for k in numbers:
        weight = weights[k]
        for entry, (like, dtype) in entries[kinds[k]].items():
            label = f"optimizer/{name}/{k}/{entry}"
            found = _check_tensor(label, tensors[f"{k}/{entry}"], tuple(weight.shape) if like else (), dtype)
            _check_finite(label, found)
            if entry in NEVER_NEGATIVE and bool((found < 0).any()):
                raise ValueError(f"{label}: a negative value")
            if not like and not (1 <= float(found) <= done and float(found).is_integer()):
                raise ValueError(f"{label}: a count from 1 to {done} was expected, not {float(found):g}")


def _kind(weight: Tensor, group: Mapping[str, Any]) -> tuple[torch.dtype, int, bool]:
    """Return what decides which entries an optimizer keeps for a weight.

    They are dtype, 1 axis or more (2), and whether Muon leaves it to AdamW.
    """
    return weight.dtype, min(2, max(1, weight.ndim)), group["adamw"]


def _entry_kinds(
    recipe: TrainRecipe, dtype: torch.dtype, axes: int, adamw: bool
) -> dict[str, tuple[bool, torch.dtype]]:
    """Return the entries that this optimizer keeps for a weight: name, whether of its shape, and dtype.

    They are found by one step of the same optimizer on a few numbers, so they are right for this version of
    torch.
    """
    probe = nn.Parameter(torch.zeros((2,) * axes, dtype=dtype))
    probe.grad = torch.zeros_like(probe)
    trial = make_optimizer([probe], recipe, output_weights=[probe] if adamw else ())
    trial.step()
    found = {name: value for name, value in trial.state[probe].items() if isinstance(value, Tensor)}
    return {name: (value.shape == probe.shape, value.dtype) for name, value in found.items()}


def _check_streams(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Check the random streams: the current states, and those of the beginning of the epoch."""
    _check_names("random", tensors, {*own, *(f"epoch-{name}" for name in own)})
    for name, found in tensors.items():
        wanted = own[name.removeprefix("epoch-")]
        _check_tensor(f"random/{name}", found, tuple(wanted.shape), wanted.dtype)
        device = name.removeprefix("epoch-")
        if device == "cpu" and len(found) == MERSENNE.size:
            _check_mersenne(f"random/{name}", bytes(found.tolist()))
        try:
            Generator(device).set_state(found)
        except RuntimeError as error:
            raise ValueError(f"random/{name}: {check.shown(str(error))}") from None


def _check_mersenne(name: str, content: bytes) -> None:
    """Check that the position of a Mersenne twister is within its words; torch would read beyond them."""
    _seed, left, seeded, position, *rest = MERSENNE.unpack(content)
    words, normal, cached = rest[:WORDS], (*rest[WORDS : WORDS + 3], rest[WORDS + 4]), rest[WORDS + 3]
    fresh = left == 1 and position == 0
    valid = seeded == 1 and (fresh or (1 <= left <= WORDS and left + position == WORDS + 1))
    valid = valid and max(words) < 2**32 and cached in (0, 1) and rest[WORDS + 5] in (0, 1)
    if not valid or not all(abs(value) < 1e3 for value in normal):
        raise ValueError(f"{name}: no state of a random generator")


def _check_prefixes(tensors: Mapping[str, Tensor]) -> None:
    for name in tensors:
        if name.partition("/")[0] not in ("model", "ema", "best", "optimizer", "random"):
            raise ValueError(f"the unknown tensor {check.shown(name)}")


def _check_names(kind: str, found: Iterable[str], wanted: Iterable[str]) -> None:
    there, needed = set(found), set(wanted)
    for words, names in (("no", needed - there), ("the unknown", there - needed)):
        if names:
            raise ValueError(f"{words} {kind}/{check.shown(sorted(names)[0])}, {len(names)} in all")


def _check_tensor(name: str, found: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    if tuple(found.shape) != shape or found.dtype != dtype:
        raise ValueError(f"{name}: {shape} {dtype} was expected, not {tuple(found.shape)} {found.dtype}")
    return found


def _check_finite(name: str, found: Tensor) -> None:
    if found.is_floating_point() and not bool(torch.isfinite(found).all()):
        raise ValueError(f"{name}: NaN or infinity")
