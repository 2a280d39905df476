"""Check a stored state, value by value and tensor by tensor, before anything of it is passed to torch.

A checksum detects accidental damage only. These checks also hold where somebody has recomputed it: a
tensor of another shape in an optimizer makes its compiled code write beyond the end of memory.
"""

import struct
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Generator, Tensor, nn, optim

from convscope.errors import ConvscopeError, DataError
from convscope.learn.optimizers import OPTIMIZERS
from convscope.learn.recipe import TrainRecipe
from convscope.learn.schedules import extends
from convscope.learn.trainer import values as check
from convscope.learn.trainer.events import Epoch
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


def check_state(
    state: State,
    net: Net,
    plan: TrainRecipe,
    optimizer: optim.Optimizer,
    *,
    task: str,
    sums: int,
    steps: int,
    scaler: Mapping[str, Any],
    streams: Mapping[str, Tensor],
) -> None:
    """Check that a state fits the training that it shall resume; nothing is changed.

    Args:
        state: state, as read.
        net: network of the training.
        plan: recipe of the training.
        optimizer: a fresh optimizer of the training.
        task: name of the task.
        sums: how many values the task sums over an epoch.
        steps: batches of an epoch.
        scaler: state of a fresh loss scaler for fp16.
        streams: fresh random streams.

    Raises:
        DataError: a value or tensor is missing, unknown, or of another type, shape or range.
    """
    values = state.values
    if values["steps"] != steps and type(values["steps"]) is int:
        raise DataError(
            "the data and batch size of the run that is resumed",
            received=f"{steps} steps in an epoch, where there were {check.shown(values['steps'])}",
        )
    try:
        _check_recipe(values["plan"], plan)
        _check_position(values, plan, task, sums, steps)
        check.text("device", values["device"])
        _check_execution(values["choice"], plan)
        _check_scaler(values["scaler"], scaler, values["choice"]["precision"])
        _check_history(values["history"], values["epoch"], plan)
    except ValueError as error:
        raise DataError("the state of this training", received=str(error), hint=DAMAGED) from None
    if values["device"] != net.device.type:
        raise DataError(
            f"a run that began on this device, {net.device.type}",
            received=f"one of {values['device']}",
            hint="Its random numbers exist there only: start another run from its weights.",
        )
    try:
        _check_weights(state.part("model"), net.module)
        done = values["epoch"] * steps + values["step"]
        _check_entries(state.part("optimizer"), values["moved"], optimizer, plan, done)
        _check_streams(state.part("random"), streams)
        _check_prefixes(state.tensors)
    except ValueError as error:
        raise DataError(
            f"a state with weights that fit {net.name}",
            received=str(error),
            hint="The network must be the one of the run that is resumed.",
        ) from None


def _check_recipe(stored: Any, plan: TrainRecipe) -> None:
    """Check that the state was made with the run's recipe; only `epochs` may have been raised since."""
    if not isinstance(stored, dict):
        raise ValueError(f"plan: a table was expected, not {check.shown(stored)}")
    try:
        before = type(plan).parse(stored)
    except ConvscopeError as error:
        raise ValueError(f"plan: {check.shown(error.received, 300)}") from None
    for name in type(plan).model_fields:
        if name not in FREE and getattr(before, name) != getattr(plan, name):
            raise ValueError(
                f"a state made with {name} {check.shown(getattr(before, name))}, where the recipe says "
                f"{check.shown(getattr(plan, name))}"
            )
    if before.epochs != plan.epochs and not (before.epochs < plan.epochs and extends(plan)):
        raise ValueError(f"a state of a run of {before.epochs} epochs, where the recipe says {plan.epochs}")


def _check_position(values: Mapping[str, Any], plan: TrainRecipe, task: str, sums: int, steps: int) -> None:
    if check.text("task", values["task"]) != task:
        raise ValueError(f"task: {task} was expected, not {check.shown(values['task'])}")
    epoch = check.integer("epoch", values["epoch"], 0, plan.epochs)
    step = check.integer("step", values["step"], 0, steps if epoch < plan.epochs else 0)
    check.integer("steps", values["steps"], steps, steps)
    seen = check.integer("seen", values["seen"])
    if (step == 0) != (seen == 0) or seen < step:
        raise ValueError(f"seen: {seen} after {step} steps of the epoch")
    for value in check.items("sums", values["sums"], sums):
        check.number("sums", value)
    if step == 0 and any(values["sums"]):
        raise ValueError("sums: zeros were expected before the first step of an epoch")
    check.number("seconds", values["seconds"], 0, 1e12)


def _check_execution(choice: Any, plan: TrainRecipe) -> None:
    found = check.fields("choice", choice, ("precision", "memory_format"))
    wanted = DTYPES if plan.precision == "auto" else (plan.precision,)
    check.text("choice.precision", found["precision"], wanted)
    formats = ("contiguous",) if plan.memory_format == "contiguous" else MEMORY_FORMATS
    check.text("choice.memory_format", found["memory_format"], formats)


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


def _check_history(history: Any, epoch: int, plan: TrainRecipe) -> None:
    for index, entry in enumerate(check.items("history", history, epoch), start=1):
        Epoch.from_json(entry, index, plan.epochs)


def _check_weights(tensors: Mapping[str, Tensor], module: nn.Module) -> None:
    own = module.state_dict()
    _check_names("model", tensors, own)
    for name, wanted in own.items():
        found = _check_tensor(name, tensors[name], tuple(wanted.shape), wanted.dtype)
        finite = not wanted.is_floating_point() or bool(torch.isfinite(wanted).all())
        if finite:  # a mask of minus infinity is what it is
            _check_finite(name, found)
        if name.rpartition(".")[2] in ("running_var", "num_batches_tracked") and bool((found < 0).any()):
            raise ValueError(f"{name}: a negative value")


def _check_entries(
    tensors: Mapping[str, Tensor], moved: Any, optimizer: optim.Optimizer, plan: TrainRecipe, done: int
) -> None:
    """Check the optimizer entries: complete for every weight that has been updated, none for the others."""
    weights = weights_of(optimizer)
    numbers = [check.integer("moved", index, 0, len(weights) - 1) for index in check.items("moved", moved)]
    if numbers != sorted(set(numbers)) or (numbers and not done):
        raise ValueError(f"moved: {check.shown(numbers)} after {done} steps")
    kinds = {weight.dtype: _entry_kinds(plan, weight) for weight in weights}
    wanted = {f"{k}/{name}" for k in numbers for name in kinds[weights[k].dtype]}
    _check_names("optimizer", tensors, wanted)
    for k in numbers:
        weight = weights[k]
        for name, (like, dtype) in kinds[weight.dtype].items():
            label = f"optimizer/{k}/{name}"
            found = _check_tensor(label, tensors[f"{k}/{name}"], tuple(weight.shape) if like else (), dtype)
            _check_finite(label, found)
            if name in NEVER_NEGATIVE and bool((found < 0).any()):
                raise ValueError(f"{label}: a negative value")
            if not like and not (1 <= float(found) <= done and float(found).is_integer()):
                raise ValueError(f"{label}: a count from 1 to {done} was expected, not {float(found):g}")


def _entry_kinds(plan: TrainRecipe, weight: Tensor) -> dict[str, tuple[bool, torch.dtype]]:
    """Return the entries that this optimizer keeps for a weight: name, whether of its shape, and dtype.

    They are found by one step of the same optimizer on two numbers, so they are right for this version of
    torch.
    """
    probe = nn.Parameter(torch.zeros(2, dtype=weight.dtype))
    probe.grad = torch.zeros_like(probe)
    trial = OPTIMIZERS[plan.optimizer]([{"params": [probe], "weight_decay": 0.0}], plan, False)
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
        if name.partition("/")[0] not in ("model", "optimizer", "random"):
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
