"""Tell the queue how a training goes: its curve in few points, its epochs, its filters, requests to it."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convscope.lab.queue.table import Queue
from convscope.system.files import write_text

MOST_POINTS = 400
"""Points of the curve; when there are more, pairs of them become one."""
FILTERS_INTERVAL = 1.0
"""Seconds between two times that the filters are told."""
STATE = ("run", "paused", "frozen", "highest_lr", "metrics")
"""What of a training holds until it is changed."""


class Curve:
    """The loss over a training, in a bounded number of points: each has the lowest, highest and last loss.

    Attributes:
        points: `epoch` (epochs done), `lo`, `hi`, `loss`, `lr` and `metrics` (the last ones) each.
        width: steps of the training that one point stands for.
    """

    def __init__(self) -> None:
        self.points: list[dict[str, Any]] = []
        self.width = 1
        self._open = 0

    @property
    def complete(self) -> bool:
        """Whether the last point has all its steps."""
        return self._open == 0

    def cut(self, epoch: float) -> bool:
        """Remove what is not before some moment, from which a training goes on.

        Args:
            epoch: epochs done.

        Returns:
            Whether there was anything.
        """
        kept = [point for point in self.points if point["epoch"] < epoch]
        cut = len(kept) < len(self.points)
        self.points, self._open = kept, 0
        return cut

    def add(self, epoch: float, now: dict[str, Any]) -> bool:
        """Add a step.

        Args:
            epoch: epochs done.
            now: `loss`, `lr` and `metrics`.

        Returns:
            Whether points were put together, so that all of them are others.
        """
        loss = now["loss"]
        if self._open == 0:
            self.points.append({"epoch": epoch, "lo": loss, "hi": loss})
        last = self.points[-1]
        known = [value for value in (last["lo"], last["hi"], loss) if value is not None]
        last["lo"], last["hi"] = (min(known), max(known)) if known else (None, None)
        last |= {"epoch": epoch, "loss": loss, "lr": now["lr"], "metrics": now["metrics"]}
        self._open = (self._open + 1) % self.width
        if len(self.points) <= MOST_POINTS:
            return False
        pairs = zip(self.points[::2], [*self.points[1::2], self.points[-1]], strict=False)
        self.points = [_joined(first, second) for first, second in pairs]
        self.width, self._open = 2 * self.width, 0
        return True


def _joined(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    known = [v for point in (first, second) for v in (point["lo"], point["hi"]) if v is not None]
    lo, hi = (min(known), max(known)) if known else (None, None)
    return {**second, "lo": lo, "hi": hi}


class TrainingFollower:
    """Tell what is new in the documents of a training.

    Args:
        queue: where it is told.
        id_: id of the job.
        answers: file that gets the answers for the test samples, replaced after each epoch.
    """

    def __init__(self, queue: Queue, id_: str, answers: Path) -> None:
        self.queue, self.id, self.answers = queue, id_, answers
        self.curve = Curve()
        self._place, self._epoch, self._outcomes = (0, 0), 0, 0
        self._state: dict[str, Any] = {}
        self._filters: tuple[float, Any] = (0.0, None)
        for event in queue.events(id_=id_, limit=100_000):  # of a training that goes on
            if event.kind == "curve":
                self.curve.points, self.curve.width = event.body["points"], event.body["width"]
            elif event.kind == "point":
                self.curve.points.append(event.body)
            elif event.kind == "epoch":
                self._epoch = event.body["index"]

    def resumed(self, epochs: Sequence[Any]) -> None:
        """Tell the epochs of a run that goes on which a kill has kept from being told.

        Args:
            epochs: `Epoch` of each finished one.
        """
        for epoch in epochs[self._epoch :]:
            self._epoch = epoch.index
            self.queue.tell(self.id, "epoch", epoch.to_json())

    def step(self, live: dict[str, Any]) -> None:
        """Tell a step.

        Args:
            live: the field `training` of a document, see `convscope.jobs.training_progress`.
        """
        state = {name: live[name] for name in STATE} | {"run": Path(live["run"]).name}
        if state != self._state:
            self._state = state
            self.queue.tell(self.id, "training", state, replaces=True)
        for outcome in live["controls"][self._outcomes :]:
            self.queue.tell(self.id, "control", outcome)
        self._outcomes = len(live["controls"])
        if live["now"] is not None:
            self._point(live)
        finished = live["finished"]
        if finished is not None and finished["index"] > self._epoch:
            self._finished(finished)
        self._tell_filters(live["filters"], at_once=finished is not None)

    def _point(self, live: dict[str, Any]) -> None:
        place = live["epoch"], live["step"]
        if place == self._place or not live["step"]:
            return
        done = round(live["epoch"] - 1 + live["step"] / live["steps"], 6)
        first, self._place = self._place == (0, 0), place
        cut = first and self.curve.cut(done)
        if self.curve.add(done, live["now"]) or cut:
            self.queue.forget(self.id, "point")
            body = {"points": self.curve.points, "width": self.curve.width}
            self.queue.tell(self.id, "curve", body, replaces=True)
        elif self.curve.complete:
            self.queue.tell(self.id, "point", self.curve.points[-1])

    def _finished(self, epoch: dict[str, Any]) -> None:
        self._epoch = epoch["index"]
        answers = epoch["answers"]
        shown = {name: value for name, value in epoch.items() if name != "answers"}
        if answers is not None:
            self.answers.parent.mkdir(parents=True, exist_ok=True)
            write_text(self.answers, json.dumps({"epoch": self._epoch, **answers}))
            shown |= {"classes": answers["classes"], "confusions": answers["confusions"]}
        self.queue.tell(self.id, "epoch", shown)

    def _tell_filters(self, filters: dict[str, Any] | None, *, at_once: bool) -> None:
        told, before = self._filters
        now = time.monotonic()
        if filters is None or filters == before or (now - told < FILTERS_INTERVAL and not at_once):
            return
        self._filters = now, filters
        self.queue.tell(self.id, "filters", filters, replaces=True)
