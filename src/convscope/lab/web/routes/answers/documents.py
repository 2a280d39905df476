"""Documents of jobs of which the page has views of its own: what `--json` prints of these verbs."""

from collections.abc import Mapping
from typing import Any, NotRequired

from typing_extensions import TypedDict

from convscope.lab.web.routes.answers.common import Number, Values, closed
from convscope.lab.web.routes.answers.embedding import Embedding
from convscope.lab.web.routes.answers.networks import ClassProbability


class _Document(TypedDict):
    verb: str
    recipe: Values
    out: NotRequired[str]
    """The folder of the result."""


@closed
class Faithfulness(TypedDict):
    """Metrics of a heatmap: `see.Explanation.faithfulness`; those that do not apply are left out."""

    deletion: NotRequired[Number]
    insertion: NotRequired[Number]
    deletion_chance: NotRequired[Number]
    """Mean of random heatmaps."""
    insertion_chance: NotRequired[Number]
    deletion_curve: NotRequired[list[Number]]
    insertion_curve: NotRequired[list[Number]]
    baseline: NotRequired[str]
    drop: NotRequired[Number]
    increase: NotRequired[bool]
    sum: NotRequired[Number]
    difference: NotRequired[Number]
    completeness_gap: NotRequired[Number]
    randomised_layers: NotRequired[list[int]]
    """How many, at each step."""
    rank_correlations: NotRequired[list[Number | None]]
    fades: NotRequired[bool]
    """Whether little of the heatmap is left with random weights."""
    pointing_hit: NotRequired[bool]
    heat_inside: NotRequired[Number]
    area_inside: NotRequired[Number]


@closed
class SpectrogramHeat(TypedDict):
    """A heatmap over a spectrogram."""

    values: list[list[Number]]
    """A list for each row, low frequencies first."""
    hertz: list[Number]
    """Of each row; empty for an MFCC."""
    seconds: list[Number]
    """Of each column."""


@closed
class Explanation(TypedDict):
    """The attribution of one target by one method."""

    target: str
    method: str
    settings: Values
    value: Number
    """The target's value."""
    probability: Number | None
    """The target's; null where not all targets are classes."""
    seconds: Number
    done: Number
    """Finished share of the method."""
    picture: str
    """Name of the file."""
    checks: Faithfulness
    layer: str
    """For class activation maps; else empty."""
    wrt: str
    """With respect to what: `input`, or the layer whose output is attributed."""
    words: NotRequired[list[tuple[str, Number]]]
    heat: NotRequired[SpectrogramHeat]


@closed
class MethodVerdict(TypedDict):
    """Which methods the metrics favour for a target: `see.attribution.MethodComparison`."""

    target: str
    best: list[str]
    """Names of methods."""
    passing: list[str]
    scores: dict[str, dict[str, Number]]
    """By method and baseline."""
    chance: dict[str, Number]
    margin: dict[str, Number]


@closed
class ExplainDocument(_Document):
    """The document of `explain`."""

    net: str
    image: str
    said: list[str]
    """Sentences that summarise the result."""
    said_zh: list[str]
    verdicts: list[MethodVerdict]
    explanations: list[Explanation]


@closed
class ClassifiedFile(TypedDict):
    """What a network answers to a file, or why it cannot be read."""

    image: str
    error: NotRequired[str]
    """What is wrong, in one short sentence."""
    hint: NotRequired[str]
    """What to do about it."""
    top: NotRequired[list[ClassProbability]]
    enlarged: NotRequired[Number]
    """How many times, where the picture is much smaller than the network's input."""
    notes: NotRequired[list[str]]


@closed
class ClassifyDocument(_Document):
    """The document of `classify`."""

    net: str
    answers: list[ClassifiedFile]
    said: list[str]
    """How much of the photographs the network sees, where edges are cropped away; else empty."""
    said_zh: list[str]
    note: NotRequired[str]


@closed
class BadFile(TypedDict):
    """A file that cannot be used."""

    path: str
    kind: str
    reason: str


@closed
class Duplicate(TypedDict):
    """Files of the same content."""

    paths: list[str]
    across_splits: bool
    across_classes: bool


@closed
class DatasetReport(TypedDict):
    """What is wrong in data: `worlds.DatasetReport`."""

    ok: bool
    total: int
    kinds: dict[str, int]
    """Number of bad files by kind."""
    folder: str
    pictures: dict[str, dict[str, int]]
    """Number of readable things by split and class."""
    problems: list[BadFile]
    duplicates: list[Duplicate]
    empty_classes: list[str]
    stray: list[str]
    hidden: int
    sizes: dict[str, int]
    modes: dict[str, int]
    formats: dict[str, int]
    faults: list[str]
    remarks: list[str]
    thing: str
    things: str


@closed
class DataCheckDocument(_Document):
    """The document of `data check`."""

    report: DatasetReport


DOCUMENTS: Mapping[str, Any] = {
    "classify": ClassifyDocument,
    "data check": DataCheckDocument,
    "embed": Embedding,
    "explain": ExplainDocument,
}
"""Types of documents by the verb of their job."""
