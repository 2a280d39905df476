"""Answers about networks, layers and units."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from convscope.lab.web.routes.answers.common import Number, Values, closed


@closed
class ReceptiveField(TypedDict):
    """The part of the input that a unit depends on, for each axis."""

    size: list[int]
    stride: list[Number]
    offset: list[Number]
    covers_all: list[bool]
    """For each axis, whether every unit reads the input from end to end."""


@closed
class Layer(TypedDict):
    """A layer that can be watched."""

    name: str
    kind: str
    shape: list[int]
    parameters: int
    macs: int
    field: ReceptiveField | None
    inputs: list[str]
    options: Values


@closed
class NetworkSummary(TypedDict):
    """A network in the list."""

    name: str
    summary: str
    world: str
    shape: list[int]
    classes: int
    trained: bool
    origin: Literal["shipped", "zoo", "run"]


@closed
class InputSpec(TypedDict):
    """The input of a network, and the names of its answers."""

    shape: list[int]
    axes: str
    kind: str
    value_range: tuple[Number, Number]
    classes: list[str]
    sample_rate: int | None


@closed
class Display(TypedDict):
    """How inputs and maps are drawn."""

    rows_upwards: bool
    ink: bool
    timeline: bool


@closed
class Checkpoint(TypedDict):
    """Other weights of a training."""

    name: str
    """Of the network with these weights: `run:mine@best`."""
    checkpoint: Literal["last", "ema", "best", "previous"]
    epoch: int
    """Finished epochs, and steps of the one after them."""
    step: int


@closed
class Network(TypedDict):
    """A network with its layers."""

    name: str
    world: str
    spec: InputSpec
    display: Display
    examples: bool
    data: str | None
    """Name of the labelled data that ships for its inputs."""
    trained: bool
    parameters: int
    macs: int
    layers: list[Layer]
    default_layers: list[str]
    """Names of the layers that are watched where none are named."""
    checkpoints: list[Checkpoint]
    text: str | None
    command: str


TopInput = closed(
    TypedDict(
        "TopInput",
        {
            "url": str,
            "sample": int,
            "value": Number,
            "position": list[int],
            "class": str,
            "crop": list[int],
            "text": NotRequired[str],
        },
    )
)
TopInput.__doc__ = """A real input on which a unit is strong.

`sample` is its index in the data that ships; `crop` what the unit depends on: first position of each axis,
then the one after the last; `text` its words, where it is one."""


@closed
class Formula(TypedDict):
    """How a unit computes."""

    text: str
    latex: str | None
    term_count: int


@closed
class Kernel(TypedDict):
    """The weights of a unit, row by row."""

    shape: list[int]
    values: list[Number]


@closed
class Visualization(TypedDict):
    """Where the feature visualization of a unit is fetched."""

    url: str


@closed
class Unit(TypedDict):
    """The card of a unit."""

    address: str
    layer: Layer
    formula: Formula
    activation: str | None
    kernel: Kernel | None
    bias: Number | None
    stride: list[int] | None
    padding: list[int] | str | None
    top: list[TopInput]
    indexed: Number | None
    """The share of the data that was looked through; null where no data ships."""
    data: str | None
    visualization: Visualization | None
    code: str
    command: str


@closed
class Redundant(TypedDict):
    """A unit that does the same as an earlier one."""

    unit: int
    earlier: int
    correlation: Number


@closed
class UnitSummary(TypedDict):
    """A unit in a list; what is not known yet, or cannot be known, is null."""

    unit: int
    address: str
    label: str
    """Name of its class, of a unit of the output."""
    max: Number | None
    mean: Number | None
    inactive_share: Number | None
    """The share of the data on which it is nowhere above 0."""
    dead: bool | None
    saturated: bool | None
    redundant: Redundant | None
    top: TopInput | None
    visualization: Visualization | None


@closed
class UnitList(TypedDict):
    """The units of a layer, or some of them."""

    net: str
    layer: Layer
    count: int
    """Units of the layer."""
    data: str | None
    indexed: Number | None
    """Share of the data that was looked through for statistics."""
    compared: Number | None
    """The same for redundant units."""
    units: list[UnitSummary]


@closed
class RegionUnit(TypedDict):
    """A unit, and what it answers to a part of an input: the fields of `see.units.RegionUnit`."""

    unit: int
    address: str
    value: Number
    """Its largest value at the positions of the part."""
    position: list[int]
    """Where that is on its feature map."""
    deviation: Number | None
    """Standard deviations above the mean over the data; null where no data ships."""


@closed
class RegionUnits(TypedDict):
    """The units of a layer that respond most to a part of an input."""

    indexed: Number | None
    """The share of the data that was looked through; null where no data ships."""
    units: list[RegionUnit]


@closed
class ClassProbability(TypedDict):
    """One of the most probable classes."""

    unit: int
    label: str
    probability: Number | None


@closed
class Classified(TypedDict):
    """What a network answers to a file."""

    net: str
    milliseconds: Number
    top: list[ClassProbability]
    said: list[str]
    """How much of a photograph the network sees, where edges are cropped away; else empty."""
    said_zh: list[str]


@closed
class Programs(TypedDict):
    """Programs that classify a file."""

    curl: str
    python: str
    terminal: str


@closed
class GraphError(TypedDict):
    """What is wrong with a network that is given as text."""

    layer: int | None
    """Index of the layer that is wrong, where one is."""
    expected: str
    received: str
    hint: str


Edge = closed(TypedDict("Edge", {"from": str, "to": str, "shape": list[int]}))
Edge.__doc__ = "What passes from one layer to another."


@closed
class GraphAnswer(TypedDict):
    """A network that is given as text: its layers up to the first error."""

    inputs: dict[str, list[int]]
    outputs: list[str]
    layers: list[Layer]
    edges: list[Edge]
    parameters: int
    macs: int
    errors: list[GraphError]


@closed
class LayerKind(TypedDict):
    """A kind of layer, and how it is written."""

    kind: str
    usage: str
