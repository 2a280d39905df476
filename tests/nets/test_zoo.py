import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from convscope.graph.graph import Graph
from convscope.nets import load
from convscope.nets.zoo import ZOO
from convscope.nets.zoo.published.googlenet import BLOCKS

COUNTS = {
    "lecture": 137_660,
    "lecture-relu": 137_660,
    "mlp": 239_410,
    "lenet5": 60_000,
    "alexnet-two-towers": 60_965_224,
    "googlenet-paper": 6_998_552,
    "autoencoder": 1_077,
}
"""As published; the mlp by hand, 784*200+200 + 2*(200*200+200) + 200*10+10."""


def free_parameters(graph: Graph) -> dict[str, int]:
    return {n.name: n.layer.parameter_count(*graph.input_shapes(n.name)) for n in graph.nodes}


@pytest.mark.parametrize("name", COUNTS)
def test_parameters(name):
    assert sum(free_parameters(ZOO[name].graph()).values()) == COUNTS[name]


@pytest.mark.parametrize("name", sorted(set(COUNTS) - {"lenet5"}))
def test_built_module_holds_what_the_graph_counts(name):
    with torch.device("meta"):
        module = load(name, weights=None).module
    assert sum(p.numel() for p in module.parameters()) == COUNTS[name]


@pytest.mark.parametrize("name", sorted(set(COUNTS) - {"alexnet-two-towers", "googlenet-paper"}))
def test_answers_have_the_labels_shape(name):
    net = load(name, weights=None, seed=0)
    out = net(net.example(2))
    shape = (len(net.classes),) if net.classes else net.input_spec.shape
    assert tuple(out.shape) == (2, *shape)
    assert not net.module.training
    assert net.source.paper


def test_the_zoo_lists_without_torch():
    code = "import sys; from convscope.nets.zoo import ZOO; print(len(ZOO), 'torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == [str(len(ZOO)), "False"]


class TestLecture:
    def test_shapes_and_weights_per_layer_are_printed_ones(self):
        graph = ZOO["lecture"].graph()
        shapes = [graph.shapes[node.name] for node in graph.nodes]
        assert shapes == [
            (25, 26, 26),
            (25, 13, 13),
            (50, 11, 11),
            (50, 5, 5),
            (1250,),
            (100,),
            (100,),
            (10,),
        ]
        assert [c for c in free_parameters(graph).values() if c] == [250, 11_300, 125_100, 1_010]

    def test_nothing_follows_a_convolution_but_pooling(self):
        kinds = [node.layer.kind for node in ZOO["lecture"].graph().nodes]
        assert [b for a, b in pairwise(kinds) if a == "conv2d"] == ["maxpool2d"] * 2
        assert kinds.count("relu") == 1
        assert [n.layer.kind for n in ZOO["lecture-relu"].graph().nodes].count("relu") == 3

    def test_equals_the_same_layers_in_torch(self):
        net = load("lecture", seed=3)
        plain = nn.Sequential(
            nn.Conv2d(1, 25, 3),
            nn.MaxPool2d(2),
            nn.Conv2d(25, 50, 3),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(1250, 100),
            nn.ReLU(),
            nn.Linear(100, 10),
        )
        values = net.module.state_dict().values()
        plain.load_state_dict(dict(zip(plain.state_dict(), values, strict=True)))
        images = torch.rand(3, 1, 28, 28)
        assert torch.allclose(net(images), plain(images), atol=1e-6)


@pytest.fixture(scope="module")
def graph():
    return ZOO["alexnet-two-towers"].graph()


class TestAlexNet:
    def test_layers_have_the_papers_parameters(self, graph):
        counts = free_parameters(graph)
        both = [counts[f"conv{i}a"] + counts[f"conv{i}b"] for i in range(1, 6)]
        dense = [counts[f"dense{i}"] for i in (6, 7, 8)]
        assert both + dense == [34_944, 307_456, 885_120, 663_936, 442_624, 37_752_832, 16_781_312, 4_097_000]

    def test_maps_have_the_papers_sizes(self, graph):
        assert [graph.shapes[f"conv{i}a"] for i in range(1, 6)] == [
            (48, 55, 55),
            (128, 27, 27),
            (192, 13, 13),
            (192, 13, 13),
            (128, 13, 13),
        ]
        assert graph.shapes["flatten"] == (9216,)

    def test_towers_meet_before_the_third_convolution_only(self, graph):
        reads = {node.name: node.inputs for node in graph.nodes}

        def before(name):
            return {name} | {n for source in reads.get(name, ()) for n in before(source)}

        assert not any(name.endswith("b") for name in before("conv2a"))
        assert {"conv2a", "conv2b"} <= before("conv3a") & before("conv3b")
        assert "conv3b" not in before("pool5a")

    def test_response_normalisation_is_the_papers(self, graph):
        """Section 3.3 written out: alpha multiplies the sum over five neighbouring maps, within a tower."""
        norm = nn.LocalResponseNorm(**graph["norm1a"].layer.arguments((48, 55, 55)))
        a = np.abs(np.random.default_rng(0).normal(size=(48, 3, 3))) * 30
        b = np.empty_like(a)
        for i in range(48):
            energy = (a[max(0, i - 2) : i + 3] ** 2).sum(0)
            b[i] = a[i] / (2 + 1e-4 * energy) ** 0.75
        np.testing.assert_allclose(norm(torch.from_numpy(a)[None])[0].numpy(), b, rtol=1e-6)

    def test_spec_subtracts_the_mean_from_values_up_to_255(self, graph):
        with torch.device("meta"):
            net = load("alexnet-two-towers")
        spec = net.input_spec
        assert (np.array(1.0) - spec.mean[0]) / spec.std[0] == pytest.approx(255 - 0.485 * 255)
        assert spec.shape == (3, 227, 227)
        assert len(net.classes) == 1000


class TestGoogLeNet:
    def test_block_outputs_are_table_one(self):
        graph = ZOO["googlenet-paper"].graph()
        blocks = {n: graph.shapes[f"inception{n}"] for n in BLOCKS}
        channels = [256, 480, 512, 512, 512, 528, 832, 832, 1024]
        sizes = [28, 28, 14, 14, 14, 14, 14, 7, 7]
        assert list(blocks.values()) == [(c, s, s) for c, s in zip(channels, sizes, strict=True)]

    def test_five_by_five_is_five_by_five(self):
        graph = ZOO["googlenet-paper"].graph()
        weights = graph["inception3a_conv5"].layer.parameters(*graph.input_shapes("inception3a_conv5"))
        assert weights["weight"] == (32, 16, 5, 5)


def test_autoencoder_goes_through_196_values():
    graph = ZOO["autoencoder"].graph()
    assert (4, 7, 7) in graph.shapes.values()
    assert [c for c in free_parameters(graph).values() if c] == [160, 580, 272, 65]


class TestDigits:
    """The network that ships."""

    def test_it_reads_digits_that_it_has_not_seen_as_well_as_it_says(self):
        from convscope.worlds.datasets import digits

        net, test = load("digits"), digits.test()
        with torch.no_grad():
            scores = net(test.pixels(torch.arange(len(test))).float() / 255)
        accuracy = (scores.argmax(1) == test.labels).float().mean().item()
        assert f"{accuracy:.2%}" in net.source.note
        assert accuracy > 0.98

    def test_it_says_where_it_is_from(self):
        net = load("digits")
        assert net.classes == tuple("0123456789")
        assert "seed" in net.source.weights
        assert net.graph == ZOO["lecture-relu"].graph()
        assert net.input_spec == ZOO["lecture-relu"].input_spec

    def test_it_can_be_had_fresh(self):
        fresh = load("digits", weights=None, seed=1).module.state_dict()
        trained = load("digits").module.state_dict()
        assert fresh.keys() == trained.keys()
        assert not any(torch.equal(fresh[name], trained[name]) for name in fresh)


def test_nasnet_mobile_opens_by_name():
    with torch.device("meta"):
        net = load("nasnet-mobile")
    assert sum(p.numel() for p in net.module.parameters()) == 5_289_978
    assert net.graph is None
    assert not net.module.training
