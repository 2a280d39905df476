import numpy as np
import pytest
import torch
from tests.reference import numpy_lenet5
from torch import nn

from convscope.nets import load
from convscope.nets.zoo.published.lenet5 import codes, lenet5


@pytest.fixture(scope="module")
def net():
    return load("lenet5", seed=0)


def test_trainable_parameters_are_the_papers(net):
    layers = {name: sum(p.numel() for p in layer.parameters()) for name, layer in net.module.named_children()}
    assert layers["C1"] == 156
    assert layers["S2"] == 12
    assert layers["S4"] == 32
    assert layers["C5"] == 48_120
    assert layers["F6"] == 10_164
    graph = lenet5()
    assert layers["C3"] == 1_516
    assert sum(layers.values()) == 60_000
    assert sum(n.layer.parameter_count(*graph.input_shapes(n.name)) for n in graph.nodes) == 60_000
    assert layers["output"] == 0  # the codes are not trained


def test_connections_are_the_papers():
    """Every unit counts what it reads, and its bias."""
    shapes = lenet5().shapes
    pixels = {name: shapes[name][1] * shapes[name][2] for name in ("C1", "S2", "C3", "S4", "C5")}
    links = sum(len(row) for row in numpy_lenet5.C3)
    c1 = pixels["C1"] * 6 * (25 + 1)
    s2, s4 = (pixels[s] * shapes[s][0] * (4 + 1) for s in ("S2", "S4"))
    c3 = pixels["C3"] * (links * 25 + 16)
    c5, f6 = 120 * (400 + 1), 84 * (120 + 1)
    assert c1 + s2 + c3 + s4 + c5 + f6 + 10 * 84 == 340_908
    assert (c1, s2, c3, s4) == (122_304, 5_880, 151_600, 2_000)


def test_forward_equals_a_slow_reference(net):
    image = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    weights = {name: tensor.double().numpy() for name, tensor in net.module.state_dict().items()}
    weights["C3.weight"] = net.module.C3.weight.detach().double().numpy()
    expected = numpy_lenet5.forward(image[0, 0].double().numpy() * 1.275 - 0.1, weights)
    with torch.no_grad():
        np.testing.assert_allclose(-net(image)[0].numpy(), expected, rtol=1e-4)


def test_spec_gives_paper_and_ink_the_papers_values(net):
    paper, ink = net.normalise(torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 1, 32, 32))[0][:, 0, 0, 0]
    assert paper.item() == pytest.approx(-0.1, abs=1e-6)
    assert ink.item() == pytest.approx(1.175, abs=1e-6)


def test_missing_links_stay_zero_with_momentum_and_decay():
    net = load("lenet5", seed=0)
    optimizer = torch.optim.SGD(net.module.parameters(), lr=0.01, momentum=0.9, weight_decay=0.1)
    generator = torch.Generator().manual_seed(2)
    before = net.module.C3.weight.detach().clone()
    for _ in range(3):
        optimizer.zero_grad()
        scores = net(torch.rand(4, 1, 32, 32, generator=generator))
        nn.functional.cross_entropy(scores, torch.tensor([0, 1, 2, 3])).backward()
        optimizer.step()
    after = net.module.C3.weight.detach()
    linked = torch.zeros(16, 6, dtype=torch.bool)
    for k, row in enumerate(numpy_lenet5.C3):
        linked[k, [int(link) for link in row]] = True
    assert int(linked.sum()) == 60
    assert torch.equal(after[~linked], torch.zeros_like(after[~linked]))
    assert not torch.equal(after[linked], before[linked])


def test_codes_are_ten_different_digits_and_fixed(net):
    table = np.array(codes())
    assert table.shape == (10, 84)
    assert set(np.unique(table)) == {-1.0, 1.0}
    distances = ((table[:, None] - table[None]) ** 2).sum(2)
    assert distances[~np.eye(10, dtype=bool)].min() >= 4 * 8  # any two differ in at least eight dots
    centres = net.module.get_buffer("output.centres")
    np.testing.assert_array_equal(centres.numpy(), table)
    assert "output.centres" not in dict(net.module.named_parameters())


def test_it_learns():
    """Ten fixed pictures are told apart after some steps: every layer passes gradients on."""
    net = load("lenet5", seed=0)
    images = torch.rand(10, 1, 32, 32, generator=torch.Generator().manual_seed(3))
    optimizer = torch.optim.Adam(net.module.parameters(), lr=2e-3)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images), torch.arange(10)).backward()
        optimizer.step()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.module.parameters())
    assert torch.equal(net(images).argmax(1), torch.arange(10))
