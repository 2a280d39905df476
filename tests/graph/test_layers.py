"""One spec for every kind of layer: a new one in the register is tested at once."""

from dataclasses import MISSING, fields, replace

import pytest
import torch
from tests.reference.gradient_fields import corners, measured
from tests.reference.graph_runner import module_of

from convscope.errors import GraphError
from convscope.graph import LAYERS, Graph, Node, chain, from_json, receptive_fields, text, to_json
from convscope.graph.layer import Layer

torch.set_num_threads(1)
SHAPES = [(6, 9, 8), (6, 9), (12,)]
MAY_READ = ("spatialtransformer", "lstm", "mel_scale")
"""Kinds whose windows are all that an output may read: some read other positions for other inputs, what was
before them, or the frequencies of their band.
"""
BUILT = [kind for kind, layer in LAYERS.items() if layer.implementation and not layer.index_inputs]
"""Kinds of layers of floating point inputs; those that read indices are tested in `test_embedding`."""


def plainest(kind: str) -> tuple[Layer, tuple[tuple[int, ...], ...]]:
    """A layer of the kind with the fewest options given, and inputs it takes."""
    made = LAYERS[kind]
    layer = made(**{f.name: 2 for f in fields(made) if f.default is MISSING})
    count = max(layer.inputs[0], 1)
    for shape, *others in [*((shape,) * count for shape in SHAPES), ((6, 9, 8), (12,))]:
        shapes = (shape, *others)
        try:
            layer.output_shape(*shapes)
        except GraphError:
            continue
        return layer, shapes
    raise AssertionError(f"{kind} takes none of {SHAPES}")


def graph_of(kind: str) -> Graph:
    layer, shapes = plainest(kind)
    names = [f"input{i}" if i else "input" for i in range(len(shapes))]
    return Graph(dict(zip(names, shapes, strict=True)), (Node("it", layer, tuple(names)),))


@pytest.mark.parametrize("kind", BUILT)
def test_shape_parameters_and_gradients_are_the_modules(kind):
    torch.manual_seed(0)
    layer, shapes = plainest(kind)
    module = module_of(layer, *shapes)
    with torch.no_grad():
        for weight in module.parameters():  # some are 0 before training, and stop gradients
            weight.add_(0.01 * torch.randn_like(weight))
    inputs = [torch.rand(3, *shape).add(0.1).requires_grad_() for shape in shapes]
    result = module(*inputs)
    assert tuple(result.shape) == (3, *layer.output_shape(*shapes))
    assert layer.parameters(*shapes) == {name: tuple(p.shape) for name, p in module.named_parameters()}
    assert layer.parameter_count(*shapes) == sum(p.numel() for p in module.parameters())
    (result * torch.rand_like(result)).sum().backward()
    for value in [*inputs, *module.parameters()]:
        assert value.grad is not None
        assert value.grad.isfinite().all()
        assert value.grad.abs().sum() > 0
    assert layer.macs(*shapes) >= 0


@pytest.mark.parametrize("kind", [kind for kind in BUILT if kind not in MAY_READ])
def test_windows_are_where_the_gradient_is(kind):
    graph = graph_of(kind)
    for source in graph.inputs:
        field = receptive_fields(graph, source)["it"]
        for position in corners(graph.shapes["it"][1:]):
            assert field.box(position) == measured(graph, "it", position, source)


@pytest.mark.parametrize("kind", BUILT)
def test_json_and_text_bring_it_back(kind):
    graph = graph_of(kind)
    assert from_json(to_json(graph)) == graph
    if tuple(graph.inputs) == ("input",):
        assert chain(graph.inputs["input"], text(graph)) == graph
    else:
        with pytest.raises(GraphError, match="one input"):
            text(graph)


@pytest.mark.parametrize("kind", BUILT)
@pytest.mark.parametrize("value", [-1, "wrong", (), 2.5j, None, float("nan")])
def test_wrong_options_are_refused_by_name(kind, value):
    layer, _ = plainest(kind)
    for option in fields(layer):
        if value is None and option.default is None:
            continue
        if value == -1 and option.type in ("float", float):
            continue
        with pytest.raises(GraphError, match=option.name):
            replace(layer, **{option.name: value})


def test_every_kind_has_words_of_its_own():
    assert all(kind == layer.kind for kind, layer in LAYERS.items())
    assert all(layer.__doc__ for layer in LAYERS.values())


@pytest.mark.parametrize("kind", ["conv2d", "maxpool2d", "avgpool2d"])
@pytest.mark.parametrize("padding", ["same", (0, 1, 1, 0), (1, 1, 0, 1)])
def test_uneven_padding_runs_our_own_module(kind, padding):
    given = {"out_channels": 2} if kind == "conv2d" else {}
    layer = LAYERS[kind](**given, kernel_size=3, stride=2, padding=padding)
    assert layer.module.startswith("convscope.nets.modules.same.")
    for shape in [(2, 8, 8), (2, 7, 9)]:
        result = module_of(layer, shape)(torch.rand(1, *shape))
        assert tuple(result.shape[1:]) == layer.output_shape(shape)


def test_average_under_same_padding_counts_no_zeros():
    """As Keras: the mean of ones is one at the border too."""
    for line in ("avgpool 3 stride=1 padding=same", "avgpool 2 padding=same"):
        graph = chain("1x5x5", line)
        pooled = module_of(graph.nodes[0].layer, (1, 5, 5))(torch.ones(1, 1, 5, 5))
        torch.testing.assert_close(pooled, torch.ones_like(pooled))


@pytest.mark.parametrize(("padding", "stored"), [(1, (1, 1)), ((1, 2), (1, 2)), ((1, 1, 2, 2), (1, 2))])
def test_even_padding_runs_torch(padding, stored):
    layer = LAYERS["conv2d"](2, 3, padding=padding)
    assert layer.padding == stored
    assert layer.module == "torch.nn.Conv2d"
    assert LAYERS["conv2d"](2, 3, padding="same").arguments((1, 8, 8))["padding"] == (1, 1)


def test_lrn_of_alexnet_needs_alpha_times_size():
    """torch divides alpha by the number of channels in the sum, the paper does not."""
    layer = LAYERS["lrn"](5, alpha=5e-4, beta=0.75, k=2.0)
    x = torch.rand(1, 8, 3, 3)
    around = torch.stack([x[:, max(0, i - 2) : i + 3].square().sum(1) for i in range(8)], 1)
    paper = x / (2 + 1e-4 * around) ** 0.75
    torch.testing.assert_close(module_of(layer, (8, 3, 3))(x), paper)
