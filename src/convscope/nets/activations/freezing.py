"""Freeze a network temporarily: evaluation mode, no weight gradients, and its state restored afterwards.

`frozen` is entered once around every use of a network. On entry it captures the network's whole state
(`convscope.nets.activations.module_state`), and restores it when the outermost block ends. Inside, the
network is called through `run`. The first complete pass shows whether the network's own code changes its
state. If it does not, as with nearly all networks, later passes only compare torch's version counters. If
it does, each pass runs on copies of the network's tensors (`convscope.nets.activations.stand_in`), so that
each starts from the original state and gradients are right.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from torch import Tensor, nn
from torch.nn.parameter import UninitializedTensorMixin  # pyright: ignore[reportAttributeAccessIssue]

from convscope.errors import GraphError, UsageError
from convscope.nets.activations.module_state import COPIED, FEWER, ModuleState
from convscope.nets.activations.stand_in import StandIn

_held: dict[int, "_Hold"] = {}
"""The networks that are frozen now, by identity."""
_still: WeakSet[nn.Module] = WeakSet()
"""Modules frozen for good by `freeze_`."""
_known: WeakKeyDictionary[nn.Module, set[int] | None] = WeakKeyDictionary()
"""Networks of which a pass has completed or changed something: None where the code changes nothing, else the
identities of the tensors that it writes to."""


@contextmanager
def frozen(module: nn.Module) -> Iterator[nn.Module]:
    """Freeze a module inside `with`: evaluation mode, no weight gradients, its state restored afterwards.

    Each module's mode, hooks and attributes, each parameter's and buffer's identity, values,
    `requires_grad` and `.grad` are restored, also after an exception or Ctrl-C. Gradients with respect to
    inputs and activations still flow. Blocks may be nested; only the outermost captures and restores.

    State outside the module (globals, closures, files) is not restored.

    Args:
        module: the network. For modules frozen by `freeze_` nothing is done.

    Yields:
        The same module.

    Raises:
        UsageError: a parameter has no shape yet (a lazy module).
        GraphError: on leaving: the network's code wrote to a tensor that was too large to be copied, or
            wrote in a way that is only detected on leaving, so that results computed since may depend on
            it.
    """
    if module in _still:
        yield module
        return
    hold = _held.get(id(module))
    if hold is None:
        hold = _Hold(module)
    try:
        hold.enter()
        yield module
    except BaseException as error:
        trouble = hold.leave()
        if trouble:
            error.add_note(str(trouble))
        raise
    trouble = hold.leave()
    if trouble:
        raise trouble


def run(module: nn.Module, *inputs: Tensor, before: Callable[[], None] | None = None) -> Any:
    """Call a module; inside `frozen`, from the state that it had on entry.

    Args:
        module: any module.
        *inputs: its positional arguments.
        before: called without arguments immediately before the module, when any stand-in copies are in
            place.

    Returns:
        What the module returns.

    Raises:
        GraphError: the module's code wrote to a tensor that was too large to be copied.
    """
    hold = _held.get(id(module))
    if hold is None:
        if before:
            before()
        return module(*inputs)
    return hold.run(inputs, before)


def changes_itself(module: nn.Module) -> bool:
    """Check whether a network's own code changes its state, according to the passes that were run before.

    Args:
        module: the network.

    Returns:
        True if an earlier `run` inside `frozen` found a change; False if none did or there was no such run.
    """
    return _known.get(module) is not None


def freeze_(module: nn.Module) -> nn.Module:
    """Freeze a module permanently, in place, for copies that are never trained.

    Its parameters no longer require gradients, it is put into evaluation mode, and `frozen` skips it.

    Args:
        module: the module to freeze.

    Returns:
        The same module.
    """
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    module.eval()
    _still.add(module)
    return module


class _Hold:
    """State of one network while at least one `frozen` block is open."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        steady = module in _known and not changes_itself(module)
        self.state = ModuleState(module, copies=FEWER if steady else COPIED)
        _check_ready(module, self.state)
        self.depth = 0
        self.lost: list[str] = []
        watched = (noted.tensor for noted in self.state.tensors.values() if noted.version is not None)
        self.watched = list(watched)

    def enter(self) -> None:
        self.depth += 1
        if self.depth > 1:
            return
        _held[id(self.module)] = self
        for part in self.state.parts:
            if part.training:
                part.training = False
        for noted in self.state.tensors.values():
            if noted.flag and noted.leaf and isinstance(noted.tensor, nn.Parameter):
                noted.tensor.requires_grad_(False)

    def leave(self) -> GraphError | None:
        """Restore the state when the outermost block ends; return the error to raise if it is incomplete."""
        self.depth -= 1
        if self.depth > 0:
            return None
        try:
            self.state.restore()
        except KeyboardInterrupt:  # once more, from the beginning: what is restored already stays
            self.state.restore()
            raise
        finally:
            _held.pop(id(self.module), None)
        late = self.state.rewritten
        if late:
            self._remember({id(noted.tensor) for noted in late})
        if self.lost:
            return _lost(self.module, self.lost)
        return _late(self.module, [noted.name for noted in late]) if late else None

    def _remember(self, written: set[int]) -> None:
        _known[self.module] = (_known.get(self.module) or set()) | written

    def run(self, inputs: tuple[Tensor, ...], before: Callable[[], None] | None) -> Any:
        if self.module not in _known or changes_itself(self.module):
            return self._run_aside(inputs, before)
        versions = [tensor._version for tensor in self.watched]
        if before:
            before()
        try:
            result = self.module(*inputs)
        except BaseException:
            self._compare(versions)
            raise
        self._compare(versions)
        if self.lost:
            raise _lost(self.module, self.lost)
        return result

    def _compare(self, versions: list[int]) -> None:
        """Detect a change that the first pass did not make, and undo it where a copy exists."""
        if versions == [tensor._version for tensor in self.watched]:
            return
        self._remember(
            {
                id(tensor)
                for tensor, version in zip(self.watched, versions, strict=True)
                if tensor._version != version
            }
        )
        for tensor, version in zip(self.watched, versions, strict=True):
            noted = self.state.tensors[id(tensor)]
            if tensor._version == version:
                continue
            if noted.version == version and noted.copy is not None:
                noted.restore(written=True)
            else:
                self.lost.append(noted.name)

    def _run_aside(self, inputs: tuple[Tensor, ...], before: Callable[[], None] | None) -> Any:
        """Run on stand-in copies, and find out whether the pass changes anything."""
        stand_in = StandIn(self.module, _known.get(self.module))
        ended = False
        try:
            stand_in.begin()
            if before:
                before()
            result = self.module(*inputs)
            ended = True
        finally:
            changed = stand_in.end()
            self.lost += stand_in.lost
            if changed:
                self._remember(stand_in.written)
            elif ended:
                _known.setdefault(self.module, None)
        if self.lost:
            raise _lost(self.module, self.lost)
        return result


def _check_ready(module: nn.Module, state: ModuleState) -> None:
    for noted in state.tensors.values():
        if noted.data is None and isinstance(noted.tensor, UninitializedTensorMixin):
            raise UsageError(
                "a network whose parameters all have shapes",
                received=f"{type(module).__name__}, whose {noted.name} is not initialised (a lazy module)",
                hint="Call the module once on an example of its input, then wrap it.",
            )


def _late(module: nn.Module, names: list[str]) -> GraphError:
    return GraphError(
        "a network whose code changes the same things for every input, or nothing",
        received=f"{type(module).__name__}, which for some inputs writes to {', '.join(names[:5])}",
        hint="It is as it was. Do the same again: from now on every pass starts from that state.",
    )


def _lost(module: nn.Module, names: list[str]) -> GraphError:
    return GraphError(
        "a network whose code does not write to its large tensors in a forward pass",
        received=f"{type(module).__name__}, which wrote to {', '.join(names[:5])}",
        hint="These values could not be kept: load the weights again, and let forward work on a copy.",
    )
