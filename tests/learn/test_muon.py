"""Muon against singular value decompositions, torch's own Muon, and torch's AdamW."""

import pytest
import torch
from torch import nn

from convscope import nets
from convscope.graph.chain import chain
from convscope.graph.spec import TensorSpec
from convscope.learn import Classification, ClassificationRecipe
from convscope.learn.optimization.muon import ADAMW_SHARE, Muon, orthogonalize
from convscope.learn.optimization.optimizers import make_optimizer


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (25, 1, 3, 3), (10, 25, 3, 3), (1, 7)])
def test_singular_values_become_about_one_in_the_same_directions(shape: tuple[int, ...]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    matrix *= torch.logspace(0, 0.7, len(matrix)).reshape(-1, *[1] * (len(shape) - 1))
    found = orthogonalize(matrix).reshape(len(matrix), -1)
    left, values, right = torch.linalg.svd(matrix.reshape(len(matrix), -1), full_matrices=False)
    inner = left.mT @ found @ right.mT
    assert (values.max() / values.min() > 1.5) or len(values) == 1
    torch.testing.assert_close(inner, torch.diag(inner.diagonal()), rtol=0, atol=1e-10)
    assert inner.diagonal().min() > 0.6 and inner.diagonal().max() < 1.3


def test_nothing_is_divided_by_zero() -> None:
    assert torch.equal(orthogonalize(torch.zeros(3, 5)), torch.zeros(3, 5))


def test_steps_of_matrices_are_those_of_torch() -> None:
    """torch's Muon rounds to bfloat16: directions agree to its precision."""
    torch_muon = getattr(torch.optim, "Muon", None)
    if torch_muon is None:
        pytest.skip("this torch has no Muon")
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(8, 5, generator=generator)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    first = Muon([{"params": [ours], "lr": 0.05, "weight_decay": 0.1}], momentum=0.9)
    second = torch_muon([theirs], lr=0.05, weight_decay=0.1, momentum=0.9, nesterov=True)
    for _ in range(5):
        gradient = torch.randn(8, 5, generator=generator)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        first.step()
        second.step()
    scale = max(1, 8 / 5) ** 0.5  # torch's steps are longer for tall matrices
    moved, other = (weight.detach() - start * (1 - 0.05 * 0.1) ** 5 for weight in (ours, theirs))
    cosine = torch.nn.functional.cosine_similarity(moved.flatten(), other.flatten(), dim=0)
    assert cosine > 0.999 and float(other.norm() / moved.norm()) == pytest.approx(scale, rel=0.02)


def test_what_has_one_axis_takes_adamw_s_steps() -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(7, generator=generator)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    first = Muon([{"params": [ours], "lr": 0.05, "weight_decay": 0.1, "adamw": True}])
    second = torch.optim.AdamW([theirs], lr=0.05 * ADAMW_SHARE, weight_decay=0.1)
    for _ in range(5):
        ours.grad = torch.randn(7, generator=generator)
        theirs.grad = ours.grad.clone()
        first.step()
        second.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)
    with pytest.raises(ValueError, match="adamw"):
        Muon([{"params": [ours]}])


@pytest.mark.parametrize("adamw_head", [True, False])
def test_the_last_layer_is_left_to_adamw_where_asked_for(adamw_head: bool) -> None:
    text = "conv 4 3x3, relu, flatten, dense 6, relu, dense 3"
    net = nets.wrap(nets.build(chain("1x8x8", text)), TensorSpec((1, 8, 8), kind="digit"), name="small")
    recipe = ClassificationRecipe(optimizer="muon", adamw_head=adamw_head)
    parameters = dict(net.module.named_parameters())
    last = Classification.from_recipe(recipe).output_weights(net)
    optimizer = make_optimizer(list(parameters.values()), recipe, output_weights=last)
    orthogonal = {
        name
        for name, weight in parameters.items()
        for group in optimizer.param_groups
        if not group["adamw"] and any(weight is one for one in group["params"])
    }
    assert orthogonal == {"conv1.weight", "dense1.weight"} | (set() if adamw_head else {"dense2.weight"})
    decays = [(group["adamw"], group["weight_decay"] > 0) for group in optimizer.param_groups]
    assert decays == [(False, True), *[(True, True)] * adamw_head, (True, False)]
