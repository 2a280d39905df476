"""The loop that optimises weights. It yields; whoever iterates prints, plots and saves."""

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from convscope.errors import DataError
from convscope.learn.evaluation import class_names, evaluate
from convscope.learn.events import Epoch, Progress
from convscope.learn.feeding import SampleFeed, feed, seed_of
from convscope.learn.head import read_head
from convscope.learn.health import diagnose
from convscope.learn.optimisers import optimiser
from convscope.learn.plan import Plan
from convscope.learn.randomness import Randomness
from convscope.learn.schedules import rate
from convscope.learn.speed import Choice, choose, roomy_heap
from convscope.learn.state import State, packed, unpack
from convscope.nets import Net

NEWS = 0.3
"""Seconds between two `Progress`."""


class Fitting:
    """A training that can be iterated, paused at any batch, stored and continued exactly.

    Iterating yields `Progress` within an epoch and an `Epoch` after each. Between two events the network may
    be used, and `state()` is what `Fitting(..., state=...)` continues from: on a CPU with as many threads,
    bit for bit as if it had never been interrupted. Where the iteration ends, the network is in the mode in
    which it was found.

    Args:
        net: a classifier; its weights change. Its labels become the names of the data's classes.
        train: `Samples`, or a DataLoader of `(inputs, labels)` with inputs in the contract's range.
        test: what to test on after each epoch.
        plan: everything that decides the training; `network`, `data` and the like are not looked at here.
        state: where to go on.

    Raises:
        UsageError: network and data do not fit each other.
        DataError: there is no data, or the state is of another network.
    """

    def __init__(
        self, net: Net, train: Any, test: Any = None, plan: Plan | None = None, *, state: State | None = None
    ) -> None:
        self.net, self.test, self.plan = net, test, plan or Plan()
        names = class_names(train, net)
        self.head = read_head(net, len(names), getattr(train, "name", "the data"))
        net.labels = names
        self.feed = feed(train, net, self.plan)
        parameters = sum(p.numel() for p in net.module.parameters() if p.requires_grad)
        self.peak = self.plan.peak(parameters)
        self.choice = Choice(**state.values["choice"]) if state else choose(net, self.plan)
        self.choice.format(net.module)
        self.optimiser = optimiser(net.module, self.plan)
        self.scaler = torch.amp.GradScaler(net.device.type, enabled=self.choice.precision == "fp16")
        self.random = Randomness(seed_of(self.plan.seed, "torch"), net.device)
        self.epoch, self.step, self.history = 0, 0, []
        self._epoch_streams = self.random.streams
        self._sums, self._seen, self._seconds = self._zeros(), 0, 0.0
        self._pause = False
        if state:
            self._restore(state)

    def __iter__(self) -> Iterator[Progress | Epoch]:
        with self._at_work():
            while self.epoch < self.plan.epochs:
                yield from self._pass()

    def pause(self) -> None:
        """Ask for an event at the end of the batch under way. May be called from a signal handler."""
        self._pause = True

    def state(self) -> State:
        """Where the training stands, as copies."""
        values = {
            "epoch": self.epoch,
            "step": self.step,
            "steps": self.feed.steps,
            "seen": self._seen,
            "sums": self._sums.tolist(),
            "seconds": self._seconds,
            "choice": asdict(self.choice),
            "scaler": self.scaler.state_dict(),
            "history": [epoch.to_json() for epoch in self.history],
        }
        streams = {**self.random.streams, **{f"epoch-{n}": s for n, s in self._epoch_streams.items()}}
        return State(packed(self.net.module, self.optimiser, streams), values)

    def _restore(self, state: State) -> None:
        values = state.values
        if values["steps"] != self.feed.steps:
            raise DataError(
                "the data and batch size of the run that is resumed",
                received=f"{self.feed.steps} steps in an epoch, where there were {values['steps']}",
            )
        streams = unpack(state, self.net.module, self.optimiser)
        self._epoch_streams = {
            n.removeprefix("epoch-"): s for n, s in streams.items() if n.startswith("epoch-")
        }
        self.random.streams = {n: s for n, s in streams.items() if not n.startswith("epoch-")}
        self.epoch, self.step = values["epoch"], values["step"]
        self.history = [Epoch(**epoch) for epoch in values["history"]]
        self._sums = self._zeros().copy_(torch.tensor(values["sums"], dtype=torch.float64))
        self._seen, self._seconds = values["seen"], values["seconds"]
        if values["scaler"]:
            self.scaler.load_state_dict(values["scaler"])

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[None]:
        module = self.net.module
        modes = [(part, part.training) for part in module.modules()]
        module.train()
        try:
            with roomy_heap():
                yield
        finally:
            for part, training in modes:
                part.training = training
            Choice().format(module)
            self.optimiser.zero_grad()

    def _pass(self) -> Iterator[Progress | Epoch]:
        """The rest of the epoch under way."""
        if self.step == 0:
            self._epoch_streams = self.random.streams
        batches = self._batches()
        started = told = time.perf_counter()
        before = self._seconds
        while self.step < self.feed.steps:
            with self.random:
                inputs, labels = next(batches)
                self._learn(inputs, labels)
            self.step += 1
            now = time.perf_counter()
            self._seconds = before + now - started
            if self._pause or now - told > NEWS:
                self._pause = False
                yield self._progress()
                told = time.perf_counter()
                started += told - now
        yield self._finish()

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches that are left of this epoch; a loader draws its order from the epoch's own stream."""
        batches = self.feed.batches(self.epoch, self.step)
        if self.step == 0 or isinstance(self.feed, SampleFeed):
            return batches
        now, self.random.streams = self.random.streams, self._epoch_streams
        with self.random:
            first = next(batches)
        self.random.streams = now
        return chain([first], batches)

    def _learn(self, inputs: Tensor, labels: Tensor) -> None:
        lr = self._set_rate()
        loss, logits = self._loss(inputs, labels)
        if inputs.device.type == "cpu" and not math.isfinite(loss.item()):
            raise self._broken(inputs, labels, lr)
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if self.plan.clip is not None:
            self.scaler.unscale_(self.optimiser)
            nn.utils.clip_grad_norm_(self.net.module.parameters(), self.plan.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        with torch.no_grad():
            right = (logits.argmax(1) == labels).sum()
            plain = self.head.loss(logits, labels)
            self._sums += torch.stack((plain * len(labels), right)).to(self._sums)
        self._seen += len(labels)
        if inputs.device.type != "cpu" and self.step % 50 == 0 and not bool(torch.isfinite(self._sums).all()):
            raise self._broken(inputs, labels, lr)

    def _loss(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        with self.choice.at_work(inputs.device):
            logits = self.head.logits(self.net(self.choice.formatted(inputs)))
        return self.head.loss(logits, labels, self.plan.label_smoothing), logits.detach()

    def _set_rate(self) -> float:
        done = self.epoch * self.feed.steps + self.step
        lr = self.peak * rate(self.plan, done, self.plan.epochs * self.feed.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        return lr

    def _broken(self, inputs: Tensor, labels: Tensor, lr: float) -> Exception:
        when = f"epoch {self.epoch + 1}, step {self.step + 1}"
        return diagnose(self.net, inputs, lambda x: self._loss(x, labels)[0], when, lr, self.choice.precision)

    def _progress(self) -> Progress:
        loss, accuracy = self._means()
        return Progress(
            epoch=self.epoch + 1, epochs=self.plan.epochs, step=self.step, steps=self.feed.steps, loss=loss,
            accuracy=accuracy, lr=self._lr, images_per_second=self._seen / max(self._seconds, 1e-9),
            seconds=self._seconds,
        )  # fmt: skip

    def _finish(self) -> Epoch:
        loss, accuracy = self._means()
        tested = None
        if self.test is not None:
            tested = evaluate(self.net, self.test, choice=self.choice, head=self.head)
        epoch = Epoch(
            index=self.epoch + 1, epochs=self.plan.epochs, train_loss=loss, train_accuracy=accuracy,
            test_loss=tested.loss if tested else None, test_accuracy=tested.accuracy if tested else None,
            seconds=self._seconds, images_per_second=self._seen / max(self._seconds, 1e-9), lr=self._lr,
            precision=self.choice.precision, memory_format=self.choice.memory_format,
            problems=self.feed.problems, worst=tested.worst if tested else "",
        )  # fmt: skip
        self.history.append(epoch)
        self.epoch, self.step = self.epoch + 1, 0
        self._sums, self._seen, self._seconds = self._zeros(), 0, 0.0
        return epoch

    @property
    def _lr(self) -> float:
        return float(self.optimiser.param_groups[0]["lr"])

    def _means(self) -> tuple[float, float]:
        loss, right = (self._sums / max(self._seen, 1)).tolist()
        return loss, right

    def _zeros(self) -> Tensor:
        """Sums of losses and of right answers."""
        exact = torch.float32 if self.net.device.type == "mps" else torch.float64
        return torch.zeros(2, dtype=exact, device=self.net.device)


def fitting(net: Net, train: Any, test: Any = None, plan: Plan | None = None) -> Fitting:
    """Optimise the weights of `net`, as an iterator of `Progress` and `Epoch`.

    See `Fitting`: `for event in fitting(net, digits.train(), digits.test(), Plan(epochs=2)): ...`
    """
    return Fitting(net, train, test, plan)
