import subprocess
import sys
import types

import numpy as np
import pytest
import torch
from torch import nn

import convscope
from convscope.errors import GraphError, UsageError
from convscope.graph import TensorSpec, chain
from convscope.nets import build, wrap

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def identity(*size, **options):
    return wrap(nn.Identity(), TensorSpec((3, *size), **options))


def test_inputs_are_normalised_once():
    net = identity(4, 5, mean=MEAN, std=STD)
    x = torch.rand(2, 3, 4, 5)
    expected = (x.numpy() - np.array(MEAN)[:, None, None]) / np.array(STD)[:, None, None]
    np.testing.assert_allclose(net(x).numpy(), expected, rtol=1e-5, atol=1e-6)
    assert identity(4, 5)(x) is x


def test_one_number_serves_all_channels_and_vectors():
    x = torch.rand(2, 3, 7)
    torch.testing.assert_close(identity(7, mean=(0.5,), std=(0.25,))(x), (x - 0.5) * 4)
    torch.testing.assert_close(identity(mean=(0.5,))(x[:, :, 0]), x[:, :, 0] - 0.5)


def test_precision_follows_the_weights_and_indices_stay():
    conv = nn.Conv2d(1, 1, 1).to(torch.bfloat16)
    assert wrap(conv, TensorSpec((1, 3, 3)))(torch.rand(1, 1, 3, 3)).dtype == torch.bfloat16
    net = wrap(nn.Embedding(9, 2), TensorSpec((4,), value_range=(0, 8)))
    assert net(torch.arange(4)[None]).shape == (1, 4, 2)


def test_the_example_lies_in_the_middle():
    net = wrap(nn.Identity(), TensorSpec((2, 3, 4), value_range=(-1, 3)))
    assert torch.equal(net.example(5), torch.ones(5, 2, 3, 4))
    several = wrap(nn.Identity(), [TensorSpec((1, 2, 2)), TensorSpec((3,))])
    assert [tuple(x.shape) for x in several.example()] == [(1, 1, 2, 2), (1, 3)]


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        ((torch.rand(3, 4, 5),), GraphError, r"x\[None\]"),
        ((torch.rand(1, 1, 4, 5),), GraphError, "b c h w"),
        ((), GraphError, r"1 input\(s\)"),
        ((torch.zeros(1, 3, 4, 5, dtype=torch.uint8),), UsageError, "/ 255"),
    ],
)
def test_inputs_that_do_not_fit(inputs, error, message):
    with pytest.raises(error, match=message):
        identity(4, 5)(*inputs)


def test_another_size_is_taken_or_explained():
    spec = TensorSpec((1, 8, 8))
    assert wrap(nn.Conv2d(1, 2, 3), spec)(torch.rand(1, 1, 20, 5)).shape == (1, 2, 18, 3)
    net = wrap(build(chain("1x8x8", "flatten, dense 2")), spec, name="rigid")
    with pytest.raises(GraphError, match=r".1, 8, 8., the only size that rigid takes.*received .1, 9, 9"):
        net(torch.rand(1, 1, 9, 9))


@pytest.mark.parametrize(
    "arguments", [(3, TensorSpec((3,))), (nn.Identity(), ()), (nn.Identity(), ["3x224x224"])]
)
def test_wrap_refuses_what_is_no_network(arguments):
    with pytest.raises(UsageError):
        getattr(wrap, "__wrapped__", wrap)(*arguments)  # without the type check that tests have


def test_graphs_travel_with_what_was_built_from_them():
    graph = chain("1x8x8", "flatten, dense 2")
    assert wrap(build(graph), TensorSpec((1, 8, 8))).graph == graph
    assert wrap(nn.Identity(), TensorSpec((3,))).graph is None
    assert "1×8×8" in repr(wrap(build(graph), TensorSpec((1, 8, 8))))


def test_what_is_cached_is_made_once_for_each_key_and_network():
    net, other = (wrap(nn.Identity(), TensorSpec()) for _ in range(2))
    made = []

    def make(value):
        made.append(value)
        return value

    assert net.cache("size", lambda: make(1)) == 1 and net.cache("size", lambda: make(2)) == 1
    assert net.cache(("size", 3), lambda: make(3)) == 3 and other.cache("size", lambda: make(4)) == 4
    assert net.cache("nothing", lambda: make(None)) is None and net.cache("nothing", lambda: make(5)) is None
    with pytest.raises(ZeroDivisionError):
        net.cache("fails", lambda: 1 / 0)
    assert net.cache("fails", lambda: make(6)) == 6
    assert made == [1, 3, 4, None, 6]


def test_importing_imports_no_torch():
    code = "import sys, convscope, convscope.nets, convscope.graph; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_public_names_are_things_not_files():
    for package in (convscope, convscope.nets):
        for name in package.__all__:
            value = getattr(package, name)
            inside = getattr(value, "__name__", "").count(".") <= package.__name__.count(".") + 1
            assert not isinstance(value, types.ModuleType) or (package is convscope and inside), name
    wanted = {
        "load",
        "wrap",
        "record",
        "Net",
        "TensorSpec",
        "LayerAddress",
        "chain",
        "Graph",
        "see",
        "learn",
        "use",
    }
    assert wanted | {"worlds", "show"} <= set(convscope.__all__)
    assert callable(convscope.record)
