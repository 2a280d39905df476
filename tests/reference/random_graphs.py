"""Random layers and random graphs for hypothesis."""

from hypothesis import strategies as st

from convscope.errors import GraphError
from convscope.graph.graph import Graph, Node
from convscope.graph.layer import Layer
from convscope.graph.layers import LAYERS

LARGEST = 40
"""Extent above which a random graph stops growing."""


def each(rank: int, low: int, high: int):
    """One number, or one for each axis."""
    number = st.integers(low, high)
    return st.one_of(number, st.tuples(*[number] * rank))


def paddings(rank: int, high: int = 3):
    sides = st.tuples(*[st.integers(0, high)] * (2 * rank))
    return st.one_of(each(rank, 0, high), sides, st.just("same"))


@st.composite
def convs(draw, channels: int, rank: int) -> Layer:
    groups = draw(st.sampled_from([g for g in (1, 2, 3, 4) if channels % g == 0]))
    return LAYERS[f"conv{rank}d"](
        out_channels=groups * draw(st.integers(1, 2)),
        kernel_size=draw(each(rank, 1, 4)),
        stride=draw(each(rank, 1, 3)),
        padding=draw(paddings(rank)),
        dilation=draw(each(rank, 1, 3)),
        groups=groups,
    )


@st.composite
def transposed(draw, channels: int, rank: int) -> Layer:
    groups = draw(st.sampled_from([g for g in (1, 2) if channels % g == 0]))
    options = {
        "out_channels": groups * draw(st.integers(1, 2)),
        "kernel_size": draw(each(rank, 1, 4)),
        "stride": draw(each(rank, 1, 3)),
        "padding": draw(each(rank, 0, 2)),
        "output_padding": draw(each(rank, 0, 1)),
        "dilation": draw(each(rank, 1, 2)),
        "groups": groups,
    }
    try:
        return LAYERS[f"convtranspose{rank}d"](**options)
    except GraphError:
        return LAYERS[f"convtranspose{rank}d"](**{**options, "output_padding": 0})


@st.composite
def pools(draw, channels: int, rank: int) -> Layer:
    kernel = draw(each(rank, 1, 4))
    kernels = (kernel,) * rank if isinstance(kernel, int) else kernel
    half = st.tuples(*[st.integers(0, k // 2) for k in kernels for _ in "ab"])
    options = {
        "kernel_size": kernel,
        "stride": draw(st.one_of(st.none(), each(rank, 1, 3))),
        "padding": draw(st.one_of(st.just(0), st.just("same"), half)),
        "ceil_mode": draw(st.booleans()),
    }
    if draw(st.booleans()):
        return LAYERS[f"maxpool{rank}d"](**options, dilation=draw(each(rank, 1, 2)))
    return LAYERS[f"avgpool{rank}d"](**options, count_include_pad=draw(st.booleans()))


@st.composite
def locals_(draw, channels: int, rank: int) -> Layer:
    return LAYERS[f"local{rank}d"](
        out_channels=draw(st.integers(1, 2)),
        kernel_size=draw(each(rank, 1, 3)),
        stride=draw(each(rank, 1, 2)),
        padding=draw(paddings(rank, 2)),
        dilation=draw(each(rank, 1, 2)),
    )


@st.composite
def resizings(draw, channels: int, rank: int) -> Layer:
    if draw(st.booleans()):
        kind = draw(st.sampled_from(["adaptiveavgpool", "adaptivemaxpool"]))
        return LAYERS[f"{kind}{rank}d"](draw(each(rank, 1, 6)))
    mode = draw(st.sampled_from(["nearest", "linear" if rank == 1 else "bilinear"]))
    factor = draw(st.integers(1, 3)) if rank == 1 else draw(each(rank, 1, 3))
    return LAYERS["upsample"](factor, mode)


@st.composite
def plain(draw, channels: int, rank: int) -> Layer:
    kinds = ["relu", "sigmoid", "identity", "dropout", f"batchnorm{rank}d", "lrn", "layernorm"]
    if channels % 2 == 0:
        kinds.append("maxout")
    return LAYERS[draw(st.sampled_from(kinds))]()


@st.composite
def layers(draw, shape: tuple[int, ...]) -> Layer:
    """A layer for an input with one or two spatial axes; it may not fit."""
    kinds = [convs, convs, pools, transposed, resizings, locals_, plain]
    return draw(draw(st.sampled_from(kinds))(shape[0], len(shape) - 1))


def shapes(rank: int, largest: int = 14):
    return st.tuples(st.integers(1, 4), *[st.integers(1, largest)] * rank)


@st.composite
def graphs(draw, most: int = 6, branching: bool = True) -> Graph:
    """A graph that exists: layers that do not fit are left out, branches meet wherever they can."""
    rank = draw(st.integers(1, 2))
    known = {"input": draw(shapes(rank))}
    if branching and draw(st.booleans()):
        known["second"] = draw(st.sampled_from([known["input"], (2, *known["input"][1:])]))
    inputs, nodes = dict(known), []
    for i in range(draw(st.integers(1, most))):
        sources = sorted(known) if branching else [f"n{i - 1}" if i else "input"]
        first = draw(st.sampled_from(sources))
        alike = [name for name in sources if known[name][1:] == known[first][1:]]
        if branching and draw(st.booleans()):
            read = (first, draw(st.sampled_from(alike)))
            same = known[read[0]] == known[read[1]]
            layer = LAYERS[draw(st.sampled_from(["add", "multiply", "concat"] if same else ["concat"]))]()
        else:
            read, layer = (first,), draw(layers(known[first]))
        try:
            shape = layer.output_shape(*[known[name] for name in read])
        except GraphError:
            layer, shape, read = LAYERS["identity"](), known[first], (first,)
        if max(shape) > LARGEST:
            layer, shape, read = LAYERS["identity"](), known[first], (first,)
        nodes.append(Node(f"n{i}", layer, read))
        known[f"n{i}"] = shape
    return Graph(inputs, tuple(nodes))
