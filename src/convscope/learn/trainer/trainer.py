"""The loop that optimises weights, as an iterator of events.

Printing, plotting and saving are left to whoever iterates.
"""

import contextlib
import math
import time
from collections.abc import Iterator, Sized
from itertools import chain, islice
from typing import Any

import torch
from torch import Tensor, nn

from convscope.errors import DataError, GraphError, TrainingError, UsageError
from convscope.learn.batches.source import Batch, LoaderBatches, seed_of
from convscope.learn.optimizers import make_optimizer
from convscope.learn.recipe import ClassificationRecipe, TrainRecipe, task_name
from convscope.learn.schedules import rate
from convscope.learn.tasks.classification import Classification
from convscope.learn.tasks.classifier_head import ClassifierHead
from convscope.learn.tasks.task import StepCost, Task
from convscope.learn.trainer.events import Epoch, TrainProgress
from convscope.learn.trainer.nan_diagnosis import nan_diagnosis, not_finite, one_value
from convscope.learn.trainer.rng import Randomness
from convscope.learn.trainer.state import State, moved, restore, state_tensors
from convscope.learn.trainer.state_checks import check_state
from convscope.nets import Net
from convscope.nets.inference.execution import ExecutionConfig
from convscope.nets.inference.memory import retain_heap

NEWS = 0.3
"""Seconds between two `TrainProgress`."""


class Trainer:
    """Train a network, as an iterable that can be paused at any batch, stored and resumed exactly.

    Iterating yields `TrainProgress` within an epoch and an `Epoch` after each. Between two events the network
    may be used, and `state()` returns what `Trainer(..., state=...)` continues from: on a CPU with the same
    number of threads, bit for bit as if the training had never been interrupted. When the iteration ends, the
    modules are back in the training or evaluation mode that they were in.

    Args:
        net: its module is trained, in place. `Trainer.net` is the same module with the names of the data's
            classes.
        train: for a classifier `LabelledImages`, or a DataLoader of `(inputs, labels)` with inputs in the
            spec's range; else what the task learns from.
        test: what to evaluate on after each epoch; nothing if left out.
        plan: recipe of the training; fields that name network, data and device are not read here.
        state: state to resume from.
        task: defines loss, metrics, and the weights that a step updates; `Classification` if left out.

    Raises:
        UsageError: network and data do not fit each other.
        DataError: there is no data, or the state is of another training.
    """

    def __init__(
        self,
        net: Net,
        train: Any,
        test: Any = None,
        plan: TrainRecipe | None = None,
        *,
        state: State | None = None,
        task: Task | None = None,
    ) -> None:
        self.net, self.test, self.plan = net, test, plan or ClassificationRecipe()
        self.task: Task = task or Classification()
        if test is not None and isinstance(test, Sized) and not len(test):
            raise DataError(
                "something to test on", received="nothing", hint="Leave the test out, or fill it."
            )
        self.feed = self.task.make_batches(net, train, self.plan)
        if isinstance(self.task, Classification):
            self.net = net = net.with_classes(self.task.classes)
        parameters = sum(p.numel() for p in net.module.parameters() if p.requires_grad)
        self.peak = self.plan.peak(parameters)
        self.optimizer = make_optimizer(net.module, self.plan)
        self.random = Randomness(seed_of(self.plan.seed, "torch"), net.device)
        if state:
            self._check_state(state)
        self.choice = (
            ExecutionConfig(**state.values["choice"]) if state else self.task.execution(net, self.plan)
        )
        self.choice.format(net.module)
        self.scaler = self._scaler(self.choice.precision)
        self.epoch, self.step, self.history = 0, 0, []
        self._epoch_streams = self.random.streams
        self._sums, self._seen, self._seconds = self._zero_sums(), 0, 0.0
        self._pause = False
        if state:
            self._restore(state)

    def __iter__(self) -> Iterator[TrainProgress | Epoch]:
        with self._training_mode():
            while self.epoch < self.plan.epochs:
                yield from self._run_epoch()

    def pause(self) -> None:
        """Request an event at the end of the current batch. May be called from a signal handler."""
        self._pause = True

    def state(self) -> State:
        """Return a copy of all that is needed to resume.

        That is weights, optimizer entries, random streams, position, sums and history.

        Raises:
            TrainingError: a weight, an entry of the optimizer or a sum is NaN or infinite, so that nothing
                could be resumed from there.
        """
        streams = {**self.random.streams, **{f"epoch-{n}": s for n, s in self._epoch_streams.items()}}
        tensors = state_tensors(self.net.module, self.optimizer, streams)
        broken = not_finite(self.net.module, tensors)
        if broken or not bool(torch.isfinite(self._sums).all()):
            raise self._state_error(broken or "the sums of the epoch")
        values = {
            "task": task_name(self.task),
            "device": self.net.device.type,
            "plan": self.plan.model_dump(mode="json", exclude={"resume"}),
            "moved": moved(self.optimizer),
            "epoch": self.epoch,
            "step": self.step,
            "steps": self.feed.steps,
            "seen": self._seen,
            "sums": self._sums.tolist(),
            "seconds": self._seconds,
            "choice": {"precision": self.choice.precision, "memory_format": self.choice.memory_format},
            "scaler": self.scaler.state_dict(),
            "history": [epoch.to_json() for epoch in self.history],
        }
        return State(tensors, values)

    def _check_state(self, state: State) -> None:
        """Refuse a state that does not belong to this training, before anything is changed."""
        check_state(
            state,
            self.net,
            self.plan,
            self.optimizer,
            task=task_name(self.task),
            sums=self.task.metric_sums,
            steps=self.feed.steps,
            scaler=self._scaler("fp16").state_dict(),
            streams=self.random.streams,
        )

    def _scaler(self, precision: str) -> torch.amp.GradScaler:
        return torch.amp.GradScaler(self.net.device.type, enabled=precision == "fp16")

    def _restore(self, state: State) -> None:
        values = state.values
        streams = restore(state, self.net.module, self.optimizer)
        self._epoch_streams = {
            n.removeprefix("epoch-"): s for n, s in streams.items() if n.startswith("epoch-")
        }
        self.random.streams = {n: s for n, s in streams.items() if not n.startswith("epoch-")}
        self.epoch, self.step = values["epoch"], values["step"]
        self.history = [Epoch(**epoch) for epoch in values["history"]]
        self._sums = self._zero_sums().copy_(torch.tensor(values["sums"], dtype=torch.float64))
        self._seen, self._seconds = values["seen"], values["seconds"]
        if values["scaler"]:
            self.scaler.load_state_dict(values["scaler"])
        if self._steps_done:
            self._set_rate(self._steps_done - 1)  # reported at the end of the epoch, if no step of it is left

    @contextlib.contextmanager
    def _training_mode(self) -> Iterator[None]:
        """Put the modules into training mode; afterwards restore their modes.

        The weights end in contiguous memory format, and without gradients.
        """
        module = self.net.module
        modes = [(part, part.training) for part in module.modules()]
        module.train()
        try:
            with retain_heap():
                yield
        finally:
            for part, training in modes:
                part.training = training
            ExecutionConfig().format(module)
            self.optimizer.zero_grad()

    def _run_epoch(self) -> Iterator[TrainProgress | Epoch]:
        """Run the rest of the current epoch, yielding its events."""
        if self.step == 0:
            self._epoch_streams = self.random.streams
        batches = self._batches()
        started = reported = time.perf_counter()
        before = self._seconds
        while self.step < self.feed.steps:
            with self.random:
                self._train_step(next(batches))
            self.step += 1
            now = time.perf_counter()
            self._seconds = before + now - started
            if self._pause or now - reported > NEWS:
                self._pause = False
                yield self._progress()
                reported = time.perf_counter()
                started += reported - now
        yield self._finish_epoch()

    def _batches(self) -> Iterator[Batch]:
        """Return the remaining batches of this epoch.

        A loader draws its order from torch's generator, so its first batches are drawn again from the
        random stream as it was at the beginning of the epoch.
        """
        batches = self.feed.batches(self.epoch, self.step)
        if self.step == 0 or not isinstance(self.feed, LoaderBatches):
            return batches
        now, self.random.streams = self.random.streams, self._epoch_streams
        with self.random:
            first = list(islice(batches, 1))  # none, where all batches of the epoch are done
        self.random.streams = now
        return chain(first, batches)

    def _train_step(self, batch: Batch) -> None:
        """Take one step: forward, backward, clip, update, add up the metrics."""
        lr, device = self._set_rate(self._steps_done), batch[0].device
        cost = self._compute_cost(batch)
        if device.type == "cpu" and not math.isfinite(cost.loss.item()):
            raise self._loss_error(batch, lr)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(cost.loss).backward(inputs=cost.weights)
        if self.plan.clip is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.net.module.parameters(), self.plan.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self._sums += cost.sums.to(self._sums)
        self._seen += len(batch[0])
        if device.type != "cpu" and self.step % 50 == 0 and not bool(torch.isfinite(self._sums).all()):
            raise self._loss_error(batch, lr)

    def _compute_cost(self, batch: Batch) -> StepCost:
        try:
            return self.task.training_step(self.net, batch, self.choice, self._steps_done)
        except (GraphError, ValueError) as error:
            raise one_value(self.net, error, len(batch[0])) or error from None

    @property
    def _steps_done(self) -> int:
        """Steps since the training began."""
        return self.epoch * self.feed.steps + self.step

    def _set_rate(self, step: int) -> float:
        """Set the learning rate of a step in all parameter groups, and return it."""
        lr = self.peak * rate(self.plan, step, self.plan.epochs * self.feed.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        return lr

    def _loss_error(self, batch: Batch, lr: float) -> Exception:
        """Return the error for a batch whose loss is not finite, with the layer where that began."""
        when = f"epoch {self.epoch + 1}, step {self.step + 1}"
        inputs, rest = batch
        return nan_diagnosis(
            self.net, inputs, lambda x: self._compute_cost((x, rest)).loss, when, lr, self.choice.precision
        )

    def _state_error(self, where: str) -> TrainingError:
        """Return the error for weights, optimizer or sums that are not finite."""
        lr = self._lr
        return TrainingError(
            "finite numbers in weights and optimizer",
            received=f"NaN or infinity in {where}, epoch {self.epoch + 1}, step {self.step}, "
            f"learning rate {lr:.3g}, {self.choice.precision}",
            hint=f"Try a lower learning rate (--lr {lr / 10:.2g}), or --clip 1.",
        )

    def _progress(self) -> TrainProgress:
        metrics = self._metrics()
        return TrainProgress(
            epoch=self.epoch + 1,
            epochs=self.plan.epochs,
            step=self.step,
            steps=self.feed.steps,
            loss=metrics.pop("loss"),
            accuracy=metrics.pop("accuracy", None),
            lr=self._lr,
            images_per_second=self._seen / max(self._seconds, 1e-9),
            seconds=self._seconds,
            measures=metrics,
        )

    def _finish_epoch(self) -> Epoch:
        """Evaluate on the test data, and return the event of the finished epoch."""
        if not bool(torch.isfinite(self._sums).all()):
            raise self._state_error("the sums of the epoch")
        metrics = self._metrics()
        test_metrics, worst = {}, ""
        if self.test is not None:
            outcome = self.task.evaluate(self.net, self.test, self.choice)
            test_metrics, worst = dict(outcome.metrics), outcome.worst
        epoch = Epoch(
            index=self.epoch + 1,
            epochs=self.plan.epochs,
            train_loss=metrics.pop("loss"),
            train_accuracy=metrics.pop("accuracy", None),
            test_loss=_finite(test_metrics.pop("loss", None)),
            test_accuracy=test_metrics.pop("accuracy", None),
            seconds=self._seconds,
            images_per_second=self._seen / max(self._seconds, 1e-9),
            lr=self._lr,
            precision=self.choice.precision,
            memory_format=self.choice.memory_format,
            problems=self.feed.problems,
            worst=worst,
            measures={name: _finite(value) for name, value in metrics.items()},
            test_measures={name: _finite(value) for name, value in test_metrics.items()},
        )
        self.history.append(epoch)
        self.epoch, self.step = self.epoch + 1, 0
        self._sums, self._seen, self._seconds = self._zero_sums(), 0, 0.0
        return epoch

    @property
    def head(self) -> ClassifierHead:
        """How a classifier's output is read.

        Raises:
            UsageError: the task is not `Classification`.
        """
        if not isinstance(self.task, Classification):
            raise UsageError("a training of a classifier", received=type(self.task).__name__)
        return self.task.head

    @property
    def _lr(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def _metrics(self) -> dict[str, float]:
        return dict(self.task.metrics(self._sums.tolist(), self._seen))

    def _zero_sums(self) -> Tensor:
        """Return zero-initialised sums of the task's metrics, in fp64 where the device has it."""
        exact = torch.float32 if self.net.device.type == "mps" else torch.float64
        return torch.zeros(self.task.metric_sums, dtype=exact, device=self.net.device)


def _finite(value: float | None) -> float | None:
    """Return the number, or None where it is NaN or infinite, which JSON cannot hold."""
    return None if value is None or not math.isfinite(value) else float(value)


def iter_train(net: Net, train: Any, test: Any = None, plan: ClassificationRecipe | None = None) -> Trainer:
    """Train a network, as an iterator of `TrainProgress` and `Epoch`.

    For example: `for event in iter_train(net, digits.train(), digits.test()): ...`

    Args:
        net: its weights are changed.
        train: `LabelledImages`, or a DataLoader of `(inputs, labels)` with inputs in the spec's range.
        test: what to evaluate on after each epoch; nothing if left out.
        plan: recipe of the training; the defaults of `ClassificationRecipe` if left out.

    Returns:
        A `Trainer`, which can also be paused, stored and resumed.

    Raises:
        UsageError: network and data do not fit each other.
        DataError: there is no data.
    """
    return Trainer(net, train, test, plan)
