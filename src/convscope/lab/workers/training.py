"""Tell the queue what is new of a training, and put together what it was before and after a restart."""

from collections.abc import Sequence
from typing import Any

from convscope.lab.queue.job import QueuedJob
from convscope.lab.queue.table import Queue

MAX_POINTS = 1024
"""Points of the curve of a training that went on after a restart."""
STATE = ("run", "paused", "frozen", "max_lr")
"""What of a training holds until it is changed."""

TESTED = ("test", "samples")
"""What of a training is of its last test, and stays until the next one."""


class TrainingFollower:
    """Tell what is new in the documents of a training.

    Args:
        queue: where it is told.
        row: the job as it was claimed; what its last document says of the training goes on.
        epochs: finished epochs of a run that goes on, as its folder has them.
    """

    def __init__(self, queue: Queue, row: QueuedJob, epochs: Sequence[dict[str, Any]] = ()) -> None:
        self.queue, self.id = queue, row.id
        earlier = (row.document or {}).get("training") or {}
        self._curve: list[dict[str, Any]] = earlier.get("curve", [])
        self._epochs = list(epochs)
        self._tested = {name: earlier.get(name) for name in TESTED}
        self._earlier_controls: list[dict[str, Any]] = earlier.get("controls", [])
        reported = [event for event in queue.events(id_=row.id, limit=100_000) if event.kind == "epoch"]
        self._reported_epochs, self._reported_controls = len(reported), len(self._earlier_controls)
        self._state: dict[str, Any] = {}

    def report(self, training: dict[str, Any]) -> dict[str, Any]:
        """Tell what is new: a step, finished epochs, what was asked for, what holds now.

        Args:
            training: field of the document so far, see `convscope.jobs.output.training_view`.

        Returns:
            The field with curve, epochs and requests of before the training went on.
        """
        whole = {
            **training,
            "curve": _joined(self._curve, training["curve"]),
            "epochs": _epochs(self._epochs, training["epochs"]),
            "controls": [*self._earlier_controls, *training["controls"]],
            **{name: training[name] or self._tested.get(name) for name in TESTED},
        }
        for epoch in whole["epochs"][self._reported_epochs :]:
            self.queue.add_event(self.id, "epoch", epoch)
        for outcome in whole["controls"][self._reported_controls :]:
            self.queue.add_event(self.id, "control", outcome)
        self._reported_epochs, self._reported_controls = len(whole["epochs"]), len(whole["controls"])
        state = {name: training[name] for name in STATE}
        if state != self._state:
            self._state = state
            self.queue.add_event(self.id, "training", state, replaces=True)
        if training["now"]:
            self.queue.add_event(self.id, "metric", training["now"], replaces=True)
        return whole


def _joined(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the curve of a training that went on from its stored state, which lies before its last point."""
    begun = after[0]["epochs_done"] if after else float("inf")
    whole = [*(point for point in before if point["epochs_done"] < begun), *after]
    while len(whole) > MAX_POINTS:
        whole = whole[::2]
    return whole


def _epochs(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    begun = after[0]["index"] if after else float("inf")
    return [*(epoch for epoch in before if epoch["index"] < begun), *after]
