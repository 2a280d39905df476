"""The loop that optimises weights, as an iterator of events.

Printing, plotting and saving are left to whoever iterates.
"""

import contextlib
import math
import time
from collections.abc import Iterator, Sized
from dataclasses import asdict, replace
from itertools import chain, islice
from typing import Any

import torch
from torch import Tensor

from convscope.errors import DataError, GraphError, TrainingError, UsageError
from convscope.learn.batches.holdout import with_validation
from convscope.learn.batches.source import seed_of
from convscope.learn.optimization.clipping import clip_gradients, clips
from convscope.learn.optimization.optimizers import make_optimizers
from convscope.learn.optimization.rates import LearningRates, read_changes
from convscope.learn.recipe import ClassificationRecipe, TrainRecipe, with_settings
from convscope.learn.tasks.registry import resolve_task
from convscope.learn.tasks.task import EvalResult, StepOutput, Task
from convscope.learn.trainer.distributed import join
from convscope.learn.trainer.events import Epoch, TrainProgress
from convscope.learn.trainer.freezing.freezer import Freezer
from convscope.learn.trainer.freezing.records import position
from convscope.learn.trainer.freezing.resolving import RUNNING
from convscope.learn.trainer.gradients import BatchGradients, BatchLoss
from convscope.learn.trainer.kept_weights import KeptWeights
from convscope.learn.trainer.nan_diagnosis import (
    TrainingStep,
    broken_elsewhere,
    broken_state,
    nan_diagnosis,
    not_finite,
    one_value,
)
from convscope.learn.trainer.rng import Randomness
from convscope.learn.trainer.state import State, moved, restore, state_tensors
from convscope.learn.trainer.state_checks import Expected, check_state
from convscope.nets import Net, takes_network
from convscope.nets.inference.execution import ExecutionConfig
from convscope.nets.inference.memory import retain_heap
from convscope.worlds import Batch

PROGRESS_INTERVAL = 0.3
"""Seconds between two `TrainProgress`."""


class Trainer:
    """Train a network, as an iterable that can be paused at any batch, stored and resumed exactly.

    Iterating yields `TrainProgress` within an epoch and an `Epoch` after each. Between two events the network
    may be used, and `state()` returns what `Trainer(..., state=...)` continues from: on a CPU with the same
    number of threads, bit for bit as if the training had never been interrupted. When the iteration ends, the
    modules are back in the training or evaluation mode that they were in.

    Where torchrun has started several processes, all of them construct and iterate it alike. Each computes
    its share of every batch, and all keep the same weights and state (see `learn.trainer.distributed`).

    Args:
        net: its module is trained, in place. `Trainer.net` is the same module with the specification of what
            it learns to return, such as the names of the data's classes.
        train: for a classifier `LabelledDataset`, or a DataLoader of `(inputs, labels)` with inputs in the
            spec's range; else what the task learns from.
        test: what to evaluate on after each epoch; nothing if left out.
        recipe: recipe of the training; fields that name network, data and device are not read here.
        state: state to resume from.
        task: defines losses, metrics and optimizers; the recipe's, if left out.
        validation: what to choose the best epoch by, where the recipe asks for that; by default a part held
            out of `train`, as large as the recipe's `validation_share`.

    Attributes:
        recipe: the recipe, which names the task.
        batch_source: the batches of every epoch.
        rates: schedule of the learning rate, and how it was changed.
        optimizers: by name.
        execution: precision and memory format.
        freezer: what is frozen, and the record of it.
        processes: those that train together.
        stopping: whether a stop was asked for, in any of the processes (see `stop`).

    Raises:
        UsageError: network and data do not fit each other, or the recipe freezes all.
        PlaceError: the recipe freezes or thaws something that does not exist.
        DataError: there is no data, or the state is of another training.
    """

    def __init__(
        self,
        net: Net,
        train: Any,
        test: Any = None,
        recipe: TrainRecipe | None = None,
        *,
        state: State | None = None,
        task: Task | None = None,
        validation: Any = None,
    ) -> None:
        self.recipe, self.task = resolve_task(recipe or ClassificationRecipe(), task)
        if self.recipe.find_lr:
            raise UsageError(
                "a recipe with its learning rate",
                received="one that has it found",
                hint="Find it first: recipe = with_suggested_lr(recipe, find_lr(net, data, recipe))",
            )
        train, validation = with_validation(train, validation, self.recipe)
        self.net, self.test = self.task.prepare(net, train, self.recipe), test
        self.validation = validation
        self._check_held_out()
        self.processes = join(net.device)
        if state is None:
            self.task.initialize(self.net, train, self.recipe)
        self.processes.broadcast_weights(net.module)
        source = self.task.make_batches(self.net, train, self.recipe)
        self.batch_source = source.shared(self.processes)
        trainable = [p for p in net.module.parameters() if p.requires_grad]
        self._set_up_optimizers()
        max_lr = self.recipe.max_lr(sum(p.numel() for p in trainable))
        self.rates = LearningRates(self.optimizers, self._scheduled_rate, max_lr)
        self.freezer = Freezer(
            net.module,
            self.optimizers,
            self.recipe.freeze,
            self.recipe.thaw,
            lambda epoch: self.task.learning(self.net, epoch),
        )
        self.random = Randomness(seed_of(self.recipe.seed, "torch"), net.device)
        if state:
            self._check_state(state)
        else:
            self.freezer.begin_epoch(1)
        self.execution = self._choose_execution(state)
        self.execution.format(net.module)
        self.kept = KeptWeights(net.module, self.recipe)
        self.scalers = {name: self._scaler(self.execution.precision) for name in self.optimizers}
        self.gradients = BatchGradients(
            self.optimizers, self.parameters, self.scalers, self.freezer, self.processes
        )
        self.epoch, self.step, self.history = 0, 0, []
        self._epoch_streams = self.random.streams
        self._sums, self._seen, self._seconds = self._zero_sums(), 0, 0.0
        self._losses: list[Tensor] = []
        self._pause, self._ended, self._trained = False, None, None
        self.stopping, self._stop = False, False
        if state:
            self._restore(state)

    def _check_held_out(self) -> None:
        """Refuse what cannot be tested on, or chosen by, before anything is computed."""
        if isinstance(self.test, Sized) and not len(self.test):
            raise DataError(
                "something to test on", received="nothing", hint="Leave the test out, or fill it."
            )
        for data in self._held_out:
            self.task.check_held_out(data)

    def _choose_execution(self, state: State | None) -> ExecutionConfig:
        """Return precision and memory format: those of the state, or what rank 0 chooses for all."""
        if state:
            return ExecutionConfig(**state.values["execution"])
        found = None
        if self.processes.rank == 0:
            found = self.task.choose_execution(self.net, self.recipe, self.batch_source.example)
        return ExecutionConfig(**self.processes.agree(None if found is None else asdict(found)))

    def _set_up_optimizers(self) -> None:
        """Build the optimizers of the task."""
        self.parameters = {
            name: list(parameters) for name, parameters in self.task.optimizers(self.net, self.recipe).items()
        }
        scales, last = self.task.lr_scales(self.net, self.recipe), self.task.output_weights(self.net)
        self.optimizers = make_optimizers(self.parameters, self.recipe, scales, last)

    def __iter__(self) -> Iterator[TrainProgress | Epoch]:
        with self._training_mode():
            for done in self.task.preparation(self.net, self.batch_source, self._held_out, self.epoch):
                yield replace(self._progress(), preparing=done)
            while not self.over:
                yield from self._run_epoch()
            self.freezer.verify()
            self._install()

    @property
    def _held_out(self) -> list[Any]:
        """What is tested on and what is chosen by, as far as there is any."""
        return [data for data in (self.test, self.validation) if data is not None]

    @property
    def over(self) -> bool:
        """Whether no epochs are left: all are done, or the training was ended early."""
        return self.epoch >= self.recipe.epochs or (bool(self.history) and self.history[-1].stopped)

    @property
    def trained(self) -> Net:
        """The network as a run saves it: with the weights of the best epoch, their average, or as it is.

        At the end of the training it is what the task makes of it, such as a calibrated one.
        """
        if self._trained is not None:
            return self._trained
        net = self.kept.kept(self.net)
        if not self.over or self.validation is None:
            return net
        self._trained = self.task.finished(net, self.validation)
        return self._trained

    def _install(self) -> None:
        """Load what is kept of a finished training into the module that was given."""
        trained = self.trained
        if trained.module is not self.net.module and self._ended is None:
            self._ended = self.state()
            self.net.module.load_state_dict(trained.module.state_dict())
        self.net = replace(self.net, output_specs=trained.output_specs)

    def pause(self) -> None:
        """Request an event at the end of the current batch. May be called from a signal handler."""
        self._pause = True

    def stop(self) -> None:
        """Request an event at the end of the current batch, and set `stopping` in all processes with it.

        Whoever iterates then stores the state, and ends. May be called from a signal handler.
        """
        self._stop = True

    def set_max_lr(self, max_lr: float) -> None:
        """Change the highest learning rate of the schedule from the next batch on; its shape stays.

        A resumed training goes on with it, and `rates.changes` says when it was.

        Args:
            max_lr: the new one, in place of the recipe's.

        Raises:
            UsageError: it is no learning rate.
        """
        self.rates.change(max_lr, (self.epoch + 1, self.step), self.batch_source.steps)

    def freeze(self, *addresses: str) -> None:
        """Freeze parts of the network from the next batch on; may be called between two events.

        Frozen values stay bit for bit as they are: weights, and running statistics of normalisations.

        Args:
            *addresses: layers (`conv2`), units (`conv2:7`), links (`conv2:7,3`: how unit 7 reads input map
                3), single parameters (`fc.bias`), and patterns of them (`blocks.*`).

        Raises:
            PlaceError: an address does not exist; nothing was frozen.
            UsageError: a parameter is shared with a layer that is not named; nothing was frozen.
        """
        self.freezer.freeze(addresses, (self.epoch + 1, self.step))

    def thaw(self, *addresses: str) -> None:
        """Thaw parts of the network: they learn again from the next batch on.

        Args:
            *addresses: as for `freeze`; parts of what is frozen.

        Raises:
            PlaceError: an address does not exist; nothing was thawed.
            UsageError: nothing of it is frozen, or it could not move; nothing was thawed.
            TrainingError: frozen values were changed by something else than the training.
        """
        self.freezer.thaw(addresses, (self.epoch + 1, self.step))

    def state(self) -> State:
        """Return a copy of all that is needed to resume; at the end of the training, the one before it ended.

        That is weights, optimizer entries, random streams, position, sums and history.

        Raises:
            TrainingError: a weight, an entry of an optimizer or a sum is NaN or infinite, so that nothing
                could be resumed from there; or frozen values were changed by something else.
        """
        if self._ended is not None:
            return self._ended
        streams = {**self.random.streams, **{f"epoch-{n}": s for n, s in self._epoch_streams.items()}}
        tensors = state_tensors(self.net.module, self.optimizers, streams) | self.kept.tensors()
        broken = not_finite(self.net.module, tensors)
        if broken or not bool(torch.isfinite(self._sums).all()):
            raise self._state_error(broken or "the sums of the epoch")
        values = {
            "device": self.net.device.type,
            "recipe": self.recipe.model_dump(mode="json", exclude={"resume"}),
            "moved": {name: moved(optimizer) for name, optimizer in self.optimizers.items()},
            "epoch": self.epoch,
            "step": self.step,
            "steps": self.batch_source.steps,
            "seen": self._seen,
            "sums": self._sums.tolist(),
            "seconds": self._seconds,
            "execution": {
                "precision": self.execution.precision,
                "memory_format": self.execution.memory_format,
            },
            "scalers": {name: scaler.state_dict() for name, scaler in self.scalers.items()},
            "freezing": self.freezer.to_json(),
            "lr_changes": [change.to_json() for change in self.rates.changes],
            "history": [epoch.to_json() for epoch in self.history],
        }
        return State(tensors, values)

    def _check_state(self, state: State) -> None:
        """Refuse a state that does not belong to this training, before anything is changed."""
        check_state(
            state,
            Expected(
                self.net,
                self.recipe,
                self.optimizers,
                sums=self.task.metric_sums,
                specs=self.task.metric_specs,
                steps=self.batch_source.steps,
                scaler=self._scaler("fp16").state_dict(),
                streams=self.random.streams,
            ),
        )
        self._frozen_parts = self.freezer.restored(
            state.values["freezing"], state.part("model"), position(state.values)
        )

    def _scaler(self, precision: str) -> torch.amp.GradScaler:
        return torch.amp.GradScaler(self.net.device.type, enabled=precision == "fp16")

    def _restore(self, state: State) -> None:
        values = state.values
        streams = restore(state, self.net.module, self.optimizers)
        self.kept.restore(state)
        self._epoch_streams = {
            n.removeprefix("epoch-"): s for n, s in streams.items() if n.startswith("epoch-")
        }
        self.random.streams = {n: s for n, s in streams.items() if not n.startswith("epoch-")}
        self.epoch, self.step = values["epoch"], values["step"]
        self.history = [Epoch(**epoch) for epoch in values["history"]]
        self.rates.restore(read_changes(values["lr_changes"], position(values), values["steps"]))
        self._sums = self._zero_sums().copy_(torch.tensor(values["sums"], dtype=torch.float64))
        self._seen, self._seconds = values["seen"], values["seconds"]
        for name, scaler in values["scalers"].items():
            if scaler:
                self.scalers[name].load_state_dict(scaler)
        self.freezer.restore(values["freezing"]["planned"], self._frozen_parts)
        if self._steps_done:
            self.rates.set(self._steps_done - 1)  # reported at the end of the epoch, if no step of it is left

    @contextlib.contextmanager
    def _training_mode(self) -> Iterator[None]:
        """Put the modules into training mode; afterwards restore their modes.

        The weights end in contiguous memory format, and without gradients.
        """
        module = self.net.module
        modes = [(part, part.training) for part in module.modules()]
        self.task.set_training_mode(module)
        try:
            with retain_heap():
                yield
        finally:
            for part, training in modes:
                part.training = training
            ExecutionConfig().format(module)
            for optimizer in self.optimizers.values():
                optimizer.zero_grad()

    def _run_epoch(self) -> Iterator[TrainProgress | Epoch]:
        """Run the rest of the current epoch, yielding its events."""
        self.task.begin_epoch(self.epoch)
        if self.step == 0:
            self._epoch_streams = self.random.streams
            self.freezer.begin_epoch(self.epoch + 1)
        batches = self._batches()
        started = reported = time.perf_counter()
        before = self._seconds
        while self.step < self.batch_source.steps:
            with self.random, self.freezer.batch():
                batch = next(batches)
                with self.processes.random(self._own_seed, self.net.device):
                    self._train_step(batch)
            self.step += 1
            self.kept.update(self.net.module, self._steps_done, self.freezer)
            now = time.perf_counter()
            self._seconds = before + now - started
            if self._asked() or now - reported > PROGRESS_INTERVAL:
                yield self._progress()
                reported = time.perf_counter()
                started += reported - now
        yield self._finish_epoch()

    def _own_seed(self) -> int:
        """Return the seed of what this process, of several, draws in the step."""
        return seed_of(self.recipe.seed, "torch", self._steps_done, self.processes.rank)

    def _asked(self) -> bool:
        """Return whether a pause or stop was asked for, in any of the processes; set `stopping`."""
        pauses, stops = self.processes.totals(int(self._pause), int(self._stop))
        self._pause, self.stopping = False, bool(stops)
        return bool(pauses or stops)

    def _batches(self) -> Iterator[Batch]:
        """Return the remaining batches of this epoch.

        Where their order is drawn from torch's generator, the first of them are drawn again from the random
        stream as it was at the beginning of the epoch.
        """
        batches = self.batch_source.batches(self.epoch, self.step)
        if self.step == 0 or not self.batch_source.uses_global_rng:
            return batches
        now, self.random.streams = self.random.streams, self._epoch_streams
        with self.random:
            first = list(islice(batches, 1))  # none, where all batches of the epoch are done
        self.random.streams = now
        return chain(first, batches)

    def _train_step(self, batch: Batch) -> None:
        """Take the steps of one batch, one for each loss of the task, and add up the metrics."""
        self.rates.set(self._steps_done)
        (size,) = self.processes.totals(batch.size)
        parts = batch.split(self.recipe.gradient_accumulation_steps)
        self._losses = []
        for found in self.gradients.losses(parts, size, self._outputs):
            if batch.device.type == "cpu" and not math.isfinite(found.loss.item()):
                raise self._loss_error(batch, elsewhere=found.finite_here)
            self._update(found)
            self._losses.append(found.loss)
            self._sums += found.sums.to(self._sums)
        self._seen += size
        self.processes.average_statistics(self.net.module, RUNNING)
        on_device = batch.device.type != "cpu"
        if on_device and self.step % 50 == 0 and not bool(torch.isfinite(self._sums).all()):
            raise self._loss_error(batch)

    def _update(self, found: BatchLoss) -> None:
        """Clip the gradients of one loss, and let its optimizer take a step."""
        if found.weights is not None and not found.weights and self.freezer.frozen:
            return  # all that the step would update is frozen
        name = found.optimizer
        optimizer, scaler = self.optimizers[name], self.scalers[name]
        with self.freezer.update(optimizer):
            if clips(self.recipe):
                scaler.unscale_(optimizer)
                clip_gradients(self.parameters[name], self.recipe, self.net.module)
            scaler.step(optimizer)
            self.task.after_update(self.net)
        scaler.update()

    def _outputs(self, batch: Batch) -> Iterator[StepOutput]:
        """Yield the losses of a batch, as the task computes them between the steps."""
        try:
            yield from self.task.outputs(self.net, batch, self.execution, self._steps_done)
        except (GraphError, ValueError) as error:
            raise one_value(self.net, error, batch.size) or error from None

    @property
    def _steps_done(self) -> int:
        """Steps since the training began."""
        return self.epoch * self.batch_source.steps + self.step

    def _scheduled_rate(self, max_lr: float, step: int) -> float:
        return self.task.learning_rate(self.recipe, max_lr, step, self.batch_source.steps)

    def _loss_error(self, batch: Batch, *, elsewhere: bool = False) -> TrainingError:
        """Return the error for a batch whose loss is not finite, with the layer where that began."""
        step = self._training_step(self.step + 1)
        if elsewhere:
            return broken_elsewhere(step)
        return nan_diagnosis(self.net, batch, lambda: list(self._outputs(batch)), step)

    def _state_error(self, where: str) -> TrainingError:
        """Return the error for weights, optimizer or sums that are not finite."""
        return broken_state(where, self._training_step(self.step))

    def _training_step(self, number: int) -> TrainingStep:
        precision, lr_flag = self.execution.precision, self.task.lr_flag
        return TrainingStep(self.epoch + 1, number, self.rates.current, precision, lr_flag)

    def _progress(self) -> TrainProgress:
        return TrainProgress(
            epoch=self.epoch + 1,
            epochs=self.recipe.epochs,
            step=self.step,
            steps=self.batch_source.steps,
            lr=self.rates.current,
            samples_per_second=self._seen / max(self._seconds, 1e-9),
            seconds=self._seconds,
            loss=sum(loss.item() for loss in self._losses),
            metrics=self._metrics(),
        )

    def _finish_epoch(self) -> Epoch:
        """Evaluate on validation and test data, and return the event of the finished epoch."""
        if not bool(torch.isfinite(self._sums).all()):
            raise self._state_error("the sums of the epoch")
        net = self.kept.evaluated(self.net)
        tested, validated = self._evaluated(net, self.test), self._evaluated(net, self.validation)
        epoch = Epoch(
            index=self.epoch + 1,
            epochs=self.recipe.epochs,
            metrics={name: _finite(value) for name, value in self._metrics().items()},
            test_metrics={name: _finite(value) for name, value in tested.metrics.items()},
            validation_metrics={name: _finite(value) for name, value in validated.metrics.items()},
            seconds=self._seconds,
            samples_per_second=self._seen / max(self._seconds, 1e-9),
            lr=self.rates.current,
            precision=self.execution.precision,
            memory_format=self.execution.memory_format,
            problems=self.batch_source.problems,
            worst=tested.worst,
        )
        epoch = self.kept.with_verdict(epoch, self.history, self.task.primary, self.net)
        self.history.append(epoch)
        self.epoch, self.step = self.epoch + 1, 0
        self.stopping = bool(self.processes.totals(int(self._stop))[0])
        self._sums, self._seen, self._seconds = self._zero_sums(), 0, 0.0
        return epoch if self.test is None else replace(epoch, tested=tested)

    def _evaluated(self, net: Net, data: Any) -> EvalResult:
        """Evaluate on data, if there are any; all processes get the metrics of rank 0."""
        if data is None:
            return EvalResult({})
        if self.processes.count == 1:
            return self.task.evaluate(net, data, self.execution)
        found = self.task.evaluate_together(net, data, self.execution, self.processes)
        return replace(found, metrics=self.processes.agree(dict(found.metrics)))

    def _metrics(self) -> dict[str, float]:
        return dict(self.task.metrics(self._sums.tolist(), self._seen))

    def _zero_sums(self) -> Tensor:
        """Return zero-initialised sums of the task's metrics, in fp64 where the device has it."""
        exact = torch.float32 if self.net.device.type == "mps" else torch.float64
        return torch.zeros(self.task.metric_sums, dtype=exact, device=self.net.device)


def _finite(value: float | None) -> float | None:
    """Return the number, or None where it is NaN or infinite, which JSON cannot hold."""
    return None if value is None or not math.isfinite(value) else float(value)


@takes_network
def iter_train(
    net: Net,
    train: Any,
    test: Any = None,
    recipe: TrainRecipe | None = None,
    *,
    task: Task | None = None,
    validation: Any = None,
    **settings: Any,
) -> Trainer:
    """Train a network, as an iterator of `TrainProgress` and `Epoch`.

    For example: `for event in iter_train(net, digits.train(), digits.test(), epochs=3): ...`

    Args:
        net: its weights are changed.
        train: for a classifier `LabelledDataset`, or a DataLoader of `(inputs, labels)` with inputs in the
            spec's range; else what the task learns from.
        test: what to evaluate on after each epoch; nothing if left out.
        recipe: recipe of the training; the defaults of `ClassificationRecipe` if left out.
        task: defines losses, metrics and optimizers; the recipe's, if left out.
        validation: what to choose the best epoch by; by default a part held out of `train`, where the recipe
            asks for one.
        **settings: fields of the recipe's schema, in place of the recipe's own.

    Returns:
        A `Trainer`, which can also be paused, stored and resumed, and freeze and thaw parts of the network.

    Raises:
        UsageError: network and data do not fit each other.
        DataError: there is no data.
    """
    return Trainer(net, train, test, with_settings(recipe, settings), task=task, validation=validation)
