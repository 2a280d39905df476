"""What is frozen in a training: the recipe's plan, calls from Python, and the record of both."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn, optim

from convscope.errors import ConvscopeError, DataError, TrainingError, UsageError, nearest
from convscope.learn.trainer import values as check
from convscope.learn.trainer.freezing.addresses import Change
from convscope.learn.trainer.freezing.frozen_values import FrozenValues, copy_selected
from convscope.learn.trainer.freezing.records import Author, FreezeRecord, Moment, read_records
from convscope.learn.trainer.freezing.resolving import Names, check_shared, resolve
from convscope.learn.trainer.freezing.selection import Selection, count, difference, digest, overlaps, union
from convscope.learn.trainer.state import DAMAGED


@dataclass
class _Part:
    """A record, and what it is about."""

    record: FreezeRecord
    selection: Selection


class Freezer:
    """Freeze and thaw parts of a network while it is trained, and prove that they did not move.

    Frozen are the values of parameters and the running statistics of normalisations; optimizer entries of
    frozen elements do not move either, and gradient clipping ignores them. A normalisation that is frozen
    normalises by its running statistics, as in evaluation. Dropout goes on.

    Args:
        module: the network.
        optimizers: of the training, by name. What none of them has never moves.
        freeze: what the recipe freezes, and when (see `Change`).
        thaw: what it thaws; within an epoch, after what it freezes.
        learning: the parameters that learn in an epoch, from 1; None for all.
    """

    def __init__(
        self,
        module: nn.Module,
        optimizers: Mapping[str, optim.Optimizer],
        freeze: Sequence[str] = (),
        thaw: Sequence[str] = (),
        learning: Callable[[int], Iterable[nn.Parameter] | None] = lambda _epoch: None,
    ) -> None:
        self.module, self._learning = module, learning
        self._trained = [p for o in optimizers.values() for g in o.param_groups for p in g["params"]]
        self._plan = [(Change.parse(text), True) for text in freeze]
        self._plan += [(Change.parse(text), False) for text in thaw]
        self._parts: list[_Part] = []
        self.planned = 0
        self._rebuild()

    @property
    def records(self) -> tuple[FreezeRecord, ...]:
        """Everything that was frozen so far, in order; digests are those of the last check."""
        return tuple(part.record for part in self._parts)

    @property
    def frozen(self) -> tuple[str, ...]:
        """Names of what is frozen now."""
        return tuple(part.record.name for part in self._open)

    @property
    def _open(self) -> list[_Part]:
        return [part for part in self._parts if part.record.ended is None]

    def begin_epoch(self, epoch: int) -> None:
        """Freeze and thaw what the recipe says for an epoch; once, however often this is called.

        Before the first epoch the whole plan is checked, so that what is wrong is told at once.

        Args:
            epoch: the epoch that begins, from 1.

        Raises:
            PlaceError: an address does not exist.
            UsageError: the recipe thaws what is not frozen then, or leaves nothing to train.
        """
        if epoch <= self.planned:
            return
        if epoch == 1:
            self._check_plan()
        for now in (True, False):
            texts = [c.address for c, freezes in self._plan if c.epoch == epoch and freezes is now]
            if not now:  # a call may have thawed something earlier than the recipe does
                frozen = self._frozen_selection()
                texts = [text for text in texts if overlaps(resolve(self.module, text), frozen)]
            if texts:
                (self.freeze if now else self.thaw)(texts, (epoch, 0), "recipe")
        self.planned = epoch

    def freeze(self, addresses: Sequence[str], at: Moment, by: Author = "call") -> None:
        """Freeze parts of the network; what is frozen already stays so.

        Args:
            addresses: what to freeze (see `ParameterAddress`).
            at: position of the training.
            by: who does.

        Raises:
            PlaceError: an address does not exist.
            UsageError: a parameter is shared with a layer that is not named.
        """
        found = self._resolved(addresses)
        before, values = self._frozen_selection(), self._values()
        for address, selection in found.items():
            if not difference(selection, before, self._tensors):
                continue
            sha = digest(selection, values)
            number = count(selection, values)
            record = FreezeRecord(address, (), by, at, None, number, sha, sha)
            self._parts.append(_Part(record, selection))
        self._rebuild()

    def thaw(self, addresses: Sequence[str], at: Moment, by: Author = "call") -> None:
        """Thaw parts of what is frozen.

        Args:
            addresses: what to thaw.
            at: position of the training.
            by: who does.

        Raises:
            PlaceError: an address does not exist.
            UsageError: nothing of it is frozen or could move, or a parameter is shared with a layer that is
                not named.
            TrainingError: frozen values have changed.
        """
        found = self._resolved(addresses)
        frozen = self._frozen_selection()
        for address, selection in found.items():
            self._check_thaw(address, selection, frozen)
        thawed, values = union(found.values()), self._values()
        for part in self._open:
            if not overlaps(part.selection, thawed):
                continue
            self._verify(part, values)
            part.record = replace(part.record, ended=at, sha256_after=part.record.sha256_end)
            rest = difference(part.selection, thawed, self._tensors)
            if not rest:
                continue
            texts = [a for a, selection in found.items() if overlaps(part.selection, selection)]
            sha = digest(rest, values)
            record = replace(
                part.record,
                excluded=(*part.record.excluded, *texts),
                by=by,
                begun=at,
                ended=None,
                values=count(rest, values),
                sha256=sha,
                sha256_end=sha,
                sha256_after=None,
            )
            self._parts.append(_Part(record, rest))
        self._rebuild()

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Keep what is frozen as it is during a batch (see `FrozenValues.batch`).

        Yields:
            None.

        Raises:
            UsageError: nothing is left that could be trained.
        """
        if self._frozen_values is None:
            yield
            return
        if all(parameter in self._frozen_values.whole for parameter in self._trained):
            raise _nothing_left(", ".join(self.frozen))
        with self._frozen_values.batch():
            yield

    def moving(self, loss: Tensor, weights: Iterable[Tensor] | None) -> list[Tensor] | None:
        """Return the weights that a step may update, of those that its task names.

        Args:
            loss: loss of the step.
            weights: parameters that the task names; None for all that the loss depends on.

        Returns:
            Those that are not frozen; none if the loss depends on frozen ones only. As given where nothing
            is frozen.
        """
        if self._frozen_values is None:
            return None if weights is None else list(weights)
        if not loss.requires_grad:
            return []
        return None if weights is None else [w for w in weights if w not in self._frozen_values.whole]

    @contextmanager
    def update(self, optimizer: optim.Optimizer) -> Iterator[None]:
        """Keep frozen elements as they are while an optimizer takes a step (see `FrozenValues.update`).

        Args:
            optimizer: takes the step inside `with`.

        Yields:
            None.
        """
        if self._frozen_values is None:
            yield
            return
        with self._frozen_values.update(optimizer):
            yield

    def copy_to(self, module: nn.Module) -> None:
        """Copy the frozen values into a copy of the network, such as an average of its weights.

        The average of equal numbers may be another number in the last bit; so it is the frozen one.

        Args:
            module: a copy, with the same names.
        """
        if self._frozen_values is not None:
            copy_selected(self._frozen_selection(), self.module, module)

    def verify(self) -> None:
        """Compare the digests of all frozen values with those at the freezing, and renew the records.

        Raises:
            TrainingError: frozen values have changed.
        """
        values = self._values() if self._parts else {}
        for part in self._parts:
            if part.record.ended is None:
                self._verify(part, values)
            else:
                part.record = replace(part.record, sha256_after=digest(part.selection, values))

    def to_json(self) -> dict[str, Any]:
        """Verify, and return what is needed to go on as a JSON-ready dict.

        Raises:
            TrainingError: frozen values have changed.
        """
        self.verify()
        return {"planned": self.planned, "records": [record.to_json() for record in self.records]}

    def restored(self, values: Any, tensors: Mapping[str, Tensor], at: Moment) -> "list[_Part]":
        """Read and check what `to_json` returned; nothing is changed.

        Args:
            values: the dict, parsed.
            tensors: tensors of the stored network by name.
            at: position of the stored training.

        Returns:
            What `restore` takes.

        Raises:
            DataError: a value is of another type or range, an address does not exist, or the stored weights
                are not those that were frozen.
        """
        try:
            found = check.fields("freezing", values, ("planned", "records"))
            epoch, step = at
            check.integer("freezing.planned", found["planned"], epoch if step else epoch - 1, epoch)
            parts = [self._part(record, tensors) for record in read_records(found["records"], at)]
            self._check_complete(parts, found["planned"])
            return parts
        except (ValueError, ConvscopeError) as error:
            raise DataError(
                "a state with the parts that were frozen, as they were", received=str(error), hint=DAMAGED
            ) from None

    def restore(self, planned: int, parts: "list[_Part]") -> None:
        """Go on from a stored state.

        Args:
            planned: last epoch for which the recipe's plan was carried out.
            parts: from `restored`.
        """
        self.planned, self._parts = planned, parts
        self._rebuild()

    def _part(self, record: FreezeRecord, tensors: Mapping[str, Tensor]) -> _Part:
        """Return a stored record with its selection, after checking it against the stored network."""
        selection = resolve(self.module, record.address)
        for text in record.excluded:
            selection = difference(selection, resolve(self.module, text), self._tensors)
        if count(selection, tensors) != record.values:
            raise ValueError(f"{record.name} has {count(selection, tensors):,} values, not {record.values:,}")
        if record.ended is None and digest(selection, tensors) != record.sha256:
            raise ValueError(f"other values of {record.name} than those that were frozen")
        return _Part(record, selection)

    def _check_complete(self, parts: "list[_Part]", planned: int) -> None:
        """Refuse records of which one is there twice, or without what the recipe has frozen so far."""
        lasting = [part.record for part in parts if not part.record.momentary]
        keys = [(record.address, record.excluded, record.begun, record.ended) for record in lasting]
        if len(set(keys)) < len(keys):
            raise ValueError("one part was frozen twice at the same time")
        for change, freezes in self._plan:
            if not freezes or change.epoch > planned:
                continue
            moment = (change.epoch, 0)
            there = [p.selection for p in parts if p.record.begun <= moment <= (p.record.ended or moment)]
            if difference(resolve(self.module, change.address), union(there), self._tensors):
                raise ValueError(
                    f"no record of {change.address}, which was frozen before epoch {change.epoch}"
                )

    def _resolved(self, addresses: Sequence[str]) -> dict[str, Selection]:
        """Return the selection of each address, after checking them all."""
        if not addresses:
            raise UsageError(
                "the address of a layer, a unit or a link",
                received="none",
                hint="For example: conv2, conv2:7 or conv2:7,3. convscope describe NETWORK lists the layers.",
            )
        found = {address: resolve(self.module, address) for address in addresses}
        check_shared(self.module, union(found.values()))
        return found

    def _check_thaw(self, address: str, selection: Selection, frozen: Selection) -> None:
        """Refuse to thaw what is not frozen here, or will not move although it is thawed."""
        if not overlaps(selection, frozen):
            now = f"Frozen: {', '.join(self.frozen)}." if self._open else "Nothing is frozen now."
            raise UsageError("something frozen, to thaw it", received=address, hint=now)
        trained, names = dict.fromkeys(self._trained), Names(self.module)
        if all(n in names.parameters and names.tensors[n] not in trained for n in selection):
            raise UsageError(
                "something that was trained before it was frozen",
                received=f"{address}, whose parameters no optimizer has",
                hint="Set requires_grad_(True) on them before the training begins.",
            )

    def _verify(self, part: _Part, values: Mapping[str, Tensor]) -> None:
        now = digest(part.selection, values)
        part.record = replace(part.record, sha256_end=now)
        if not part.record.identical:
            raise TrainingError(
                f"frozen values that do not move: those of {part.record.name}",
                received=f"SHA-256 {now[:16]}, where it was {part.record.sha256[:16]}",
                hint="Something else than the optimizer wrote to them: thaw them before you change them.",
            )

    def _values(self) -> dict[str, Tensor]:
        return self.module.state_dict()

    def _frozen_selection(self) -> Selection:
        return union(part.selection for part in self._open)

    def _rebuild(self) -> None:
        """Get ready for the next batch, after something was frozen or thawed."""
        self._tensors = Names(self.module).tensors
        frozen = self._frozen_selection()
        self._frozen_values = FrozenValues(self.module, frozen) if frozen else None

    def _check_plan(self) -> None:
        """Follow the recipe's plan without freezing anything."""
        frozen: Selection = {}
        for epoch in sorted({change.epoch for change, _ in self._plan}):
            now = [(change.address, freezes) for change, freezes in self._plan if change.epoch == epoch]
            for wanted in (True, False):
                texts = [address for address, freezes in now if freezes is wanted]
                found = self._resolved(texts) if texts else {}
                if wanted:
                    frozen = union([frozen, *found.values()])
                    continue
                for address, selection in found.items():
                    if not overlaps(selection, frozen):
                        raise UsageError(
                            f"something frozen before epoch {epoch}, to thaw it",
                            received=address,
                            hint=nearest(address, [c.address for c, freezes in self._plan if freezes])
                            or f"Freeze it first: --freeze {address}",
                        )
                frozen = difference(frozen, union(found.values()), self._tensors)
            whole = FrozenValues(self.module, frozen).whole
            if all(parameter in whole for parameter in self._trained):
                raise _nothing_left(f"from epoch {epoch} on, nothing")
            learning = self._learning(epoch)
            if learning is not None and all(parameter in whole for parameter in learning):
                raise UsageError(
                    f"a head that learns in the epochs of the linear probe, {epoch} among them",
                    received="one that is frozen",
                    hint="Freeze it in a later epoch, or leave the probe out: --probe-epochs 0.",
                )


def _nothing_left(received: str) -> UsageError:
    return UsageError(
        "something left to train",
        received=f"all parameters are frozen ({received})",
        hint="Thaw a part, such as the last layer; thaw comes after freeze within an epoch.",
    )
