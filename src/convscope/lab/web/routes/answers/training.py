"""The field `training` of the document of a training: what its page shows."""

from typing import NotRequired

from typing_extensions import TypedDict

from convscope.jobs.output.controls import Action
from convscope.lab.web.routes.answers.common import LabError, Number, Values, closed


@closed
class Metric(TypedDict):
    """A metric of the training's task."""

    name: str
    heading: str
    higher_is_better: bool


@closed
class Now(TypedDict):
    """Where the training is; empty before its first step."""

    epoch: NotRequired[int]
    step: NotRequired[int]
    steps: NotRequired[int]
    lr: NotRequired[Number]
    samples_per_second: NotRequired[Number]
    loss: NotRequired[Number | None]
    metrics: NotRequired[dict[str, Number | None]]


@closed
class TrainingEpoch(TypedDict):
    """A finished epoch."""

    index: int
    epochs: int
    metrics: dict[str, Number | None]
    test_metrics: dict[str, Number | None]
    seconds: Number
    samples_per_second: Number
    lr: Number
    precision: str
    memory_format: str
    problems: int
    validation_metrics: dict[str, Number | None]
    best: bool
    stopped: bool
    worst: str


@closed
class Kernels(TypedDict):
    """The kernels of the first layer."""

    layer: str
    shape: list[int]
    """Units, input channels, extent."""
    low: Number
    high: Number
    values: str
    """A byte for each weight, from `low` to `high`, in base64."""


@closed
class TestSample(TypedDict):
    """A test sample with its class and the prediction."""

    index: int
    label: int
    prediction: int
    probability: Number
    """Of the prediction."""
    file: str | None
    """Path below the folder of the data."""
    text: str | None


@closed
class TestSamples(TypedDict):
    """The test samples of each cell of the confusion matrix, as tiles of one picture."""

    image: str | None
    tile: int
    columns: int
    sound: bool
    """Whether they can be heard."""
    samples: list[TestSample]


@closed
class Outcome(TypedDict):
    """What became of something that the training was asked for."""

    action: Action
    value: object
    epoch: int
    step: int
    error: LabError | None


@closed
class Training(TypedDict):
    """A training as it is, and how it came there."""

    run: str
    now: Now
    paused: bool
    max_lr: Number | None
    lr_changes: list[Values]
    controls: list[Outcome]
    planned_epochs: int
    metrics: list[Metric]
    curve: list[dict[str, Number | None]]
    """Points: `epochs_done` with a fraction, `loss`, `lr`, and metrics of the epoch so far."""
    epochs: list[TrainingEpoch]
    frozen: list[str]
    kernels: Kernels | None
    test: Values | None
    samples: TestSamples | None
