"""The weights that a run's folder holds beside the saved network: those in its states."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from convscope import nets
from convscope.errors import DataError, UsageError, nearest
from convscope.learn.trainer import values as check
from convscope.learn.trainer.run_folder import run_files
from convscope.learn.trainer.state import BEFORE, FILE, State
from convscope.nets import Net
from convscope.nets.io.weights import load_weights
from convscope.system.counting import counted

LAST, EMA, BEST, PREVIOUS = "last", "ema", "best", "previous"
PARTS = {LAST: "model", EMA: "ema", BEST: "best", PREVIOUS: "model"}
"""Names of checkpoints, and of the part of a state that holds their weights."""


@dataclass(frozen=True)
class Checkpoint:
    """Weights of a training at some step.

    Attributes:
        name: `last` (of the newest state), `ema` (their moving average), `best` (of the best epoch) or
            `previous` (of the state before the newest).
        epoch: finished epochs.
        step: steps of the epoch after them.
    """

    name: str
    epoch: int
    step: int


def list_checkpoints(folder: str | Path) -> tuple[Checkpoint, ...]:
    """List the weights in the states of a run, without reading them.

    Args:
        folder: the run's folder.

    Returns:
        The checkpoints; none where no state is stored, or where it cannot be read.

    Raises:
        DataError: a file of the run is no regular file.
    """
    folder = Path(folder)
    run_files.check_files(folder)
    return tuple(_newest(folder / run_files.STATE)) + tuple(_previous(folder / run_files.STATE))


def load_checkpoint(folder: str | Path, name: str) -> Net:
    """Open the network of a run with the weights of a checkpoint.

    Args:
        folder: the run's folder.
        name: name of the checkpoint.

    Returns:
        The network, in evaluation mode.

    Raises:
        UsageError: the run has no such checkpoint.
        DataError: a file of the run is damaged, or the weights do not fit.
    """
    folder, found = Path(folder), {one.name: one for one in list_checkpoints(folder)}
    if name not in found:
        hint = nearest(name, found) if found else "It has none beside its saved network."
        raise UsageError(f"a checkpoint of {folder}", received=name[:100], hint=hint)
    kept = folder / run_files.STATE
    state = State.read_previous(kept) if name == PREVIOUS else State.read(kept)
    net = nets.open_folder(folder)
    load_weights(net.module, state.part(PARTS[name]), f"the state of {folder}")
    epochs, steps = counted(found[name].epoch, "epoch"), counted(found[name].step, "step")
    weights = f"trained here, {epochs} and {steps} ({name})"
    return replace(net, source=replace(net.source, weights=weights))


def _newest(folder: Path) -> Iterator[Checkpoint]:
    try:
        values, names = State.read_names(folder / FILE)
        epoch, step = _position(values)
        parts = {name.partition("/")[0] for name in names}
        yield Checkpoint(LAST, epoch, step)
        if PARTS[EMA] in parts:
            yield Checkpoint(EMA, epoch, step)
        if PARTS[BEST] in parts:
            yield Checkpoint(BEST, max(_best_epochs(values), default=epoch), 0)
    except (OSError, ValueError, DataError):
        return


def _previous(folder: Path) -> Iterator[Checkpoint]:
    try:
        yield Checkpoint(PREVIOUS, *_position(State.read_names(folder / BEFORE)[0]))
    except (OSError, ValueError, DataError):
        return


def _position(values: dict[str, Any]) -> tuple[int, int]:
    return check.integer("epoch", values["epoch"]), check.integer("step", values["step"])


def _best_epochs(values: dict[str, Any]) -> Iterator[int]:
    for epoch in values["history"] if isinstance(values["history"], list) else ():
        if isinstance(epoch, dict) and epoch.get("best") is True and type(epoch.get("index")) is int:
            yield epoch["index"]
