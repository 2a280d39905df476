import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from convscope.errors import PlaceError, UsageError
from convscope.nets import LayerAddress, Net, record
from convscope.see import (
    Objective,
    channel,
    default_objective,
    direction,
    l1,
    layer,
    neuron,
    output,
    per_image,
    total_variation,
)
from convscope.see.features.recording import record_float32
from convscope.see.optimize.objectives.objective import EagerScorer

A, B, C = channel("conv2:0"), channel("conv2:3"), neuron("conv1:2@4,5")
NUMBERS = st.floats(-5, 5, allow_nan=False).map(lambda x: round(x, 3))


def scores(net: Net, objective: Objective, images: Tensor) -> Tensor:
    bound = objective.resolve(net)
    return bound(record(net, images, bound.places), images)


@pytest.fixture
def images() -> Tensor:
    return torch.rand(4, 3, 20, 24, generator=torch.Generator().manual_seed(0))


def test_measures_are_what_they_say(small: Net, images: Tensor) -> None:
    acts = record(small, images, ["conv1", "conv2"])
    one, two = acts[LayerAddress("conv1")], acts[LayerAddress("conv2")]
    torch.testing.assert_close(scores(small, A, images), two[:, 0].mean((1, 2)))
    torch.testing.assert_close(scores(small, channel("conv2:0", reduce="sum"), images), two[:, 0].sum((1, 2)))
    torch.testing.assert_close(
        scores(small, channel("conv2:0", reduce="max"), images), two[:, 0].amax((1, 2))
    )
    torch.testing.assert_close(scores(small, C, images), one[:, 2, 4, 5])
    torch.testing.assert_close(
        scores(small, neuron("conv2:1"), images), two[:, 1, 4, 5]
    )  # 9 x 11: the middle
    torch.testing.assert_close(scores(small, layer("conv2"), images), 0.5 * two.square().sum((1, 2, 3)))
    vector = torch.arange(6.0) - 2
    along = torch.einsum("bchw,c->bhw", two, vector)
    torch.testing.assert_close(scores(small, direction("conv2", vector), images), along.mean((1, 2)))
    cosine = along / (two.norm(dim=1) * vector.norm())
    expected = (along * cosine.clamp(min=0.1) ** 2).mean((1, 2))
    found = scores(small, direction("conv2", vector, cosine_power=2), images)
    torch.testing.assert_close(found, expected)


@settings(max_examples=30, deadline=None)
@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_the_algebra_is_linear(a: float, b: float, c: float, d: float) -> None:
    """A weight multiplies its own measure and nothing else, however the sum is written."""
    torch.manual_seed(0)
    acts = {LayerAddress("conv2"): torch.randn(2, 6, 4, 4), LayerAddress("conv1"): torch.randn(2, 8, 9, 9)}
    image = torch.randn(2, 3, 9, 9)

    def value(objective: Objective) -> Tensor:
        return objective(acts, image)

    total = value(A * a + B * b - C * c + d * l1())
    expected = a * value(A) + b * value(B) - c * value(C) + d * value(l1())
    torch.testing.assert_close(total, expected, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(value(-(A + b * B) * c), -c * (value(A) + b * value(B)), rtol=1e-4, atol=1e-3)


def test_equal_sums_are_equal() -> None:
    assert A + A == 2 * A
    assert A + B - B == A
    assert (A + B) * 2 == 2 * A + 2 * B
    assert sum([A, B, C]) == A + (B + C)
    assert A / 4 == 0.25 * A
    assert (A - A).terms == ()


def test_three_hundred_terms_do_not_nest(small: Net, images: Tensor) -> None:
    total = sum(channel(f"conv2:{i % 6}") * (i + 1) for i in range(2000))
    assert len(total.terms) == 6
    assert scores(small, total, images).shape == (4,)


def test_nonsense_is_refused() -> None:
    with pytest.raises(TypeError):
        A * B  # pyright: ignore[reportOperatorIssue]
    with pytest.raises(TypeError):
        A + 1
    with pytest.raises(UsageError):
        per_image([])
    with pytest.raises(UsageError):
        per_image([per_image([A])])


def test_early_scores_are_the_same_and_stand_between_the_layers(small: Net, images: Tensor) -> None:
    """By numbers that autograd gives its nodes in the order of their making: the higher, the sooner."""
    objective = (layer("conv1") + 2 * layer("conv2") - 0.1 * l1()).resolve(small)
    ready = images.clone().requires_grad_()
    late = objective(record_float32(small, ready, objective.places), ready)
    early = EagerScorer(objective, ready)
    found = record_float32(small, ready, objective.places, noted=early.note)
    assert torch.equal(objective(found, ready, early.scores), late)
    numbers = {term.term.layers: k for k, term in enumerate(objective.terms)}
    first, second = numbers[(LayerAddress("conv1"),)], numbers[(LayerAddress("conv2"),)]
    assert early.scores.keys() == {first, second}
    nodes = [early.scores[first].grad_fn, found[LayerAddress("conv2")].grad_fn, early.scores[second].grad_fn]
    made = [node._sequence_nr() for node in nodes if node is not None]  # pyright: ignore[reportAttributeAccessIssue]
    assert made == sorted(made)
    assert len(made) == 3


def test_each_scores_its_own_image(small: Net, images: Tensor) -> None:
    goals = [A - 0.1 * l1(), 2 * B + C, layer("conv1"), channel("conv2:5") - total_variation()]
    together = scores(small, per_image(goals), images)
    alone = torch.cat([scores(small, goal, images[i : i + 1]) for i, goal in enumerate(goals)])
    torch.testing.assert_close(together, alone)
    shared = scores(small, per_image(goals) - 3 * l1(), images)
    torch.testing.assert_close(shared, alone - 3 * images.abs().sum((1, 2, 3)))


def test_each_of_one_layer_is_one_gather(small: Net, images: Tensor) -> None:
    batch = per_image(channel(f"conv2:{u}") for u in (5, 0, 0, 2)).resolve(small)
    assert len(batch._single) == 1
    found = scores(small, batch, images)
    full = record(small, images, ["conv2"])[LayerAddress("conv2")]
    torch.testing.assert_close(found, torch.stack([full[i, u].mean() for i, u in enumerate((5, 0, 0, 2))]))


def test_each_needs_a_batch_of_its_size(small: Net, images: Tensor) -> None:
    with pytest.raises(UsageError, match="2"):
        scores(small, per_image([A, B]), images)
    with pytest.raises(UsageError):
        per_image([A, B]) + per_image([A, B, C])


def test_gradient_of_energy_is_the_activation(small: Net, images: Tensor) -> None:
    bound = layer("relu2").resolve(small)
    acts = record(small, images.requires_grad_(), bound.places)
    activation = acts[LayerAddress("relu2")]
    (gradient,) = torch.autograd.grad(bound(acts, images).sum(), activation)
    torch.testing.assert_close(gradient, activation, rtol=0, atol=0)


def test_labels_become_numbers(digit_net: Net) -> None:
    assert output("digit 7").resolve(digit_net) == output(7).resolve(digit_net)
    with pytest.raises(PlaceError, match="digit 7"):
        output("digit seven").resolve(digit_net)


@pytest.mark.parametrize("place", ["conv9:1", "conv2:99", "conv2:1#4", "conv1:0@50,2"])
def test_places_that_are_missing(small: Net, place: str) -> None:
    with pytest.raises(PlaceError):
        default_objective(place).resolve(small)
    with pytest.raises(PlaceError, match="conv2:17"):
        channel("conv2").resolve(small)


def test_direction_of_wrong_length(small: Net, images: Tensor) -> None:
    with pytest.raises(PlaceError, match="6"):
        scores(small, direction("conv2", [1.0, 2.0]), images)
