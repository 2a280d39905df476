"""Capsules against loops over the equations of the paper, and finite differences."""

import numpy as np
import pytest
import torch

from convscope import nets
from convscope.errors import GraphError
from convscope.graph.analysis.costs import costs
from convscope.graph.layers import LAYERS
from convscope.nets.modules.classics.capsules import (
    CapsuleLength,
    CapsuleMask,
    Capsules,
    Squash,
    route,
    squash,
)
from convscope.nets.zoo import ZOO


def squash_reference(s: np.ndarray) -> np.ndarray:
    """Equation 1."""
    length = np.sqrt((s**2).sum())
    return length**2 / (1 + length**2) * s / length


def routing_reference(capsules: np.ndarray, matrices: np.ndarray, iterations: int):
    """Procedure 1 of one image; `matrices[i][j]` takes capsule i to its vote for j (equation 2)."""
    inputs, outputs = matrices.shape[:2]
    votes = [[matrices[i, j] @ capsules[i] for j in range(outputs)] for i in range(inputs)]
    b = np.zeros((inputs, outputs))
    history, v = [], []
    for _ in range(iterations):
        c = np.zeros_like(b)
        for i in range(inputs):
            for j in range(outputs):  # equation 3: over the outputs
                c[i, j] = np.exp(b[i, j]) / sum(np.exp(b[i, k]) for k in range(outputs))
        v = [squash_reference(sum(c[i, j] * votes[i][j] for i in range(inputs))) for j in range(outputs)]
        for i in range(inputs):
            for j in range(outputs):
                b[i, j] += votes[i][j] @ v[j]
        history.append(c)
    return np.array(v), history


def layer_of(iterations: int, seed: int = 0) -> tuple[Capsules, torch.Tensor]:
    torch.manual_seed(seed)
    layer = Capsules(
        in_capsules=2 * 12, out_capsules=4, out_size=5, in_size=3, iterations=iterations
    ).double()
    torch.nn.init.normal_(layer.weight, 0, 0.7)
    return layer, torch.randn(3, 6, 3, 4).double()


@pytest.mark.parametrize("iterations", [1, 2, 3, 5])
def test_routing_is_the_papers_procedure(iterations):
    layer, x = layer_of(iterations)
    found, coupling = layer(x).detach(), layer.couplings(x)
    matrices = layer.weight.detach().unflatten(2, (4, 5)).permute(0, 2, 3, 1).numpy()
    for image in range(3):
        maps = x[image].numpy()
        capsules = [maps[3 * t : 3 * t + 3, y, w] for t in range(2) for y in range(3) for w in range(4)]
        expected, history = routing_reference(np.array(capsules), matrices, iterations)
        np.testing.assert_allclose(found[image].numpy(), expected.reshape(-1), atol=1e-12)
        for one, other in zip(coupling, history, strict=True):
            np.testing.assert_allclose(one[image].detach().numpy(), other, atol=1e-12)


def test_coupling_sums_to_1_over_the_outputs_and_begins_alike():
    layer, x = layer_of(3)
    first, *rest = layer.couplings(x)
    torch.testing.assert_close(first, torch.full_like(first, 1 / 4))
    for coupling in rest:
        assert coupling.shape == (3, 24, 4)
        torch.testing.assert_close(coupling.sum(2), torch.ones(3, 24).double())
        assert (coupling.sum(1) - 1).abs().min() > 0.1  # not over the inputs
        assert float(coupling.detach().std()) > 0.05


def test_votes_that_agree_are_weighted_up():
    votes = torch.randn(1, 40, 2, 6).double()
    votes[:, :, 1] = torch.tensor([1.0, -1, 0.5, 0, 0, 2]).double()  # all say the same of the second
    _, couplings = route(votes, 4)
    shares = [float(coupling[..., 1].mean()) for coupling in couplings]
    assert shares[0] == 0.5 and shares == sorted(set(shares)) and shares[-1] > 0.9


def test_squashing_keeps_directions_and_bounds_lengths():
    s = torch.randn(50, 7).double() * torch.logspace(-3, 3, 50).double()[:, None]
    found = squash(s)
    for one, other in zip(found.numpy(), s.numpy(), strict=True):
        np.testing.assert_allclose(one, squash_reference(other), rtol=1e-5, atol=1e-12)
    lengths = found.norm(dim=1)
    assert (lengths < 1).all() and (lengths.diff()[s.norm(dim=1).diff() > 0] > 0).all()
    maps = torch.randn(2, 6, 3, 4).double()
    expected = squash(maps[:, 3:6].movedim(1, -1)).movedim(-1, 1)
    torch.testing.assert_close(Squash(3)(maps)[:, 3:6], expected)


def test_nothing_is_squashed_to_nothing_with_a_finite_gradient():
    s = torch.zeros(2, 5, requires_grad=True)
    squash(s).sum().backward()
    assert s.grad.isfinite().all() and (squash(s) == 0).all()
    layer = Capsules(2, 3, 4, 5)
    x = torch.zeros(1, 10, requires_grad=True)
    CapsuleLength(4)(layer(x)).sum().backward()
    assert x.grad.isfinite().all() and layer.weight.grad.isfinite().all()


def test_gradients_flow_through_all_iterations():
    """As finite differences see them: with couplings that were held fixed they would differ."""
    layer, x = layer_of(3)
    x = x[:1].clone().requires_grad_()
    assert torch.autograd.gradcheck(layer, (x,), eps=1e-6, atol=1e-6)
    votes = layer.votes(x.detach()).detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda u: route(u, 3)[0], (votes,), eps=1e-6, atol=1e-6)
    outputs, couplings = route(votes, 3)
    (whole,) = torch.autograd.grad(outputs.sum(), votes)
    held = squash(torch.einsum("bnk,bnks->bks", couplings[-1].detach(), votes))
    torch.testing.assert_close(held, outputs)
    (part,) = torch.autograd.grad(held.sum(), votes)
    assert float((whole - part).abs().max()) > 0.01


def test_lengths_and_masks_are_of_consecutive_channels():
    x = torch.randn(3, 8).double()
    expected = np.stack([np.linalg.norm(x.numpy()[:, 4 * k : 4 * k + 4], axis=1) for k in range(2)], 1)
    np.testing.assert_allclose(CapsuleLength(4)(x).numpy(), expected)
    masked = CapsuleMask(4)(x)
    for row, lengths, before in zip(masked, expected, x, strict=True):
        longest = int(lengths.argmax())
        kept = slice(4 * longest, 4 * longest + 4)
        assert torch.equal(row[kept], before[kept]) and int((row == 0).sum()) == 4
    chosen = CapsuleMask(4).keep(x, torch.tensor([1, 1, 0]))
    assert (chosen[:2, :4] == 0).all() and torch.equal(chosen[:2, 4:], x[:2, 4:])


def test_routing_is_computed_in_float32_under_autocast():
    torch.manual_seed(0)
    layer, x = Capsules(12, 3, 4, 2), torch.randn(2, 4, 3, 2).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x)
    torch.testing.assert_close(found.float(), layer(x.float()), atol=4e-3, rtol=1e-2)


def test_channels_that_are_no_whole_capsules_are_refused():
    with pytest.raises(GraphError, match="whole capsules"):
        LAYERS["squash"](4).output_shape((6, 3, 3))
    with pytest.raises(GraphError, match="whole capsules"):
        LAYERS["capsules"](10, 16, 8).output_shape((12, 6, 6))
    with pytest.raises(GraphError, match="features"):
        LAYERS["capsulemask"](2).output_shape((4, 3, 3))


def test_the_published_network_has_the_papers_parameters():
    found = {cost.name: cost.parameters for cost in costs(ZOO["capsnet"].graph()) if cost.parameters}
    assert found["conv1"] == 256 * 82 == 20_992
    assert found["primary"] == 256 * (256 * 81 + 1) == 5_308_672
    assert found["capsules"] == 1152 * 10 * 8 * 16 == 1_474_560
    assert sum(found[f"dense{k}"] for k in (1, 2, 3)) == 1_411_344
    assert sum(found.values()) == 8_215_568
    graph = ZOO["capsnet"].graph()
    assert graph.shapes["squash"] == (256, 6, 6) and graph.outputs == ("length", "image")


def test_the_small_network_is_saved_and_opened(tmp_path):
    net = nets.load("capsnet-small", seed=0)
    assert sum(p.numel() for p in net.module.parameters()) == 960_848
    nets.save(net, tmp_path / "saved")
    again, x = nets.load(str(tmp_path / "saved")), torch.rand(2, 1, 28, 28)
    assert again.output_spec.kind == "independent_probabilities"
    for name, value in net(x).items():
        assert torch.equal(again(x)[name], value)
    assert net(x)["length"].shape == (2, 10) and net(x)["image"].shape == (2, 784)
