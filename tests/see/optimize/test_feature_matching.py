"""Likeness and mismatch against their formulas, and what they make of pictures."""

import pytest
import torch
from torch import nn

from convscope import see
from convscope.errors import GraphError, PlaceError
from convscope.graph.spec import TensorSpec
from convscope.nets import LayerAddress, Net, record, wrap
from convscope.see.visualization.reconstruction import _shifts, default_layers


def scored(net: Net, objective: see.Objective, image: torch.Tensor) -> torch.Tensor:
    objective = objective.resolve(net)
    return objective(record(net, image, objective.places), image)


def test_formulas(small: Net) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(3, 3, 20, 24, generator=generator)
    act = record(small, images, ["conv2"])[LayerAddress("conv2")].detach()
    wanted, here = act[0], act.flatten(1)
    dots = here @ here[0]
    cosines = dots / here.norm(dim=1) / here[0].norm()
    expected = dots / here[0].square().sum() * cosines.clamp_min(0.1) ** 2
    assert torch.allclose(
        scored(small, see.dot_cosine_match("conv2", wanted, cosine_power=2), images), expected, rtol=1e-5
    )
    missed = (here - here[0]).square().sum(1) / here[0].square().sum()
    assert torch.allclose(
        scored(small, see.normalized_l2("conv2", wanted), images), missed, rtol=1e-5, atol=1e-7
    )
    assert float(missed[0]) == 0


def test_other_sizes_and_places_are_refused(small: Net) -> None:
    wanted = torch.zeros(6, 3, 3)
    with pytest.raises(GraphError, match="like the wanted one"):
        scored(small, see.normalized_l2("conv2", wanted), torch.zeros(1, 3, 20, 24))
    with pytest.raises(PlaceError, match="conv2"):
        see.normalized_l2("conv3", wanted).resolve(small)


def test_a_linear_layer_that_loses_nothing_is_inverted() -> None:
    """An invertible convolution keeps everything: the drawing is the picture."""
    torch.manual_seed(0)
    module = nn.Conv2d(3, 3, 1)
    with torch.no_grad():
        module.weight.copy_(torch.linalg.qr(torch.randn(3, 3))[0][..., None, None])
    net = wrap(nn.Sequential(module), TensorSpec((3, 12, 12)))
    x = torch.linspace(0.2, 0.8, 12)
    picture = torch.stack([x.expand(12, 12), x[:, None].expand(12, 12), torch.full((12, 12), 0.4)])
    made = see.invert(net, picture, "0", steps=160, total_variation=0.0, contrast=0.0)
    assert float(made.relative_errors[0]) < 1e-2
    assert float((made.images[0] - picture).abs().mean()) < 0.04


def test_what_a_layer_does_not_see_cannot_be_inverted() -> None:
    """A layer that reads red only says nothing about blue."""
    module = nn.Conv2d(3, 1, 1, bias=False)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([1.0, 0.0, 0.0])[None, :, None, None])
    net = wrap(nn.Sequential(module), TensorSpec((3, 8, 8)))
    picture = torch.stack([torch.full((8, 8), 0.7), torch.full((8, 8), 0.9), torch.full((8, 8), 0.1)])
    made = see.invert(net, picture, "0", steps=120, total_variation=0.0, contrast=0.0)
    assert float((made.images[0, 0] - 0.7).abs().mean()) < 0.05
    assert float((made.images[0, 2] - 0.1).abs().mean()) > 0.2


def test_a_caricature_is_like_the_picture_and_louder(digit_net: Net) -> None:
    from convscope.worlds.datasets import digits

    picture = digits.test().pixels([3])[0] / 255
    made = see.caricature(digit_net, picture, "relu2", steps=96)
    start = see.caricature(digit_net, picture, "relu2", steps=0)
    assert made.layers == ("relu2",)
    assert float(made.cosines[0]) > max(0.6, float(start.cosines[0]) + 0.1)
    both = torch.stack([picture, made.images[0]])
    was, now = record(digit_net, both, ["relu2"])[LayerAddress("relu2")].detach().flatten(1).norm(dim=1)
    assert float(now) > float(was)


def test_caricatures_keep_the_proportions_of_the_picture_in_every_layer() -> None:
    from convscope.worlds.datasets import digits

    picture = digits.test().pixels([3])[0] / 255
    made = see.caricature("digits", picture, "relu1", "pool1", "relu2", "pool2")
    assert float(made.cosines.min()) > 0.95  # 0.88 with Adam and shifts of a whole stride
    flat = torch.nn.functional.avg_pool2d(torch.stack([picture, *made.images]), 4).flatten(1)
    assert float(torch.corrcoef(flat)[0, 1:].min()) > 0.95


def test_caricatures_start_from_a_faint_picture_where_the_layer_has_positions() -> None:
    picture = torch.rand(1, 28, 28, generator=torch.Generator().manual_seed(2))
    made = see.caricature("digits", picture, "relu1", "pool2", "output", steps=0)
    faint = 0.5 + 0.03 * (picture - 0.5)
    assert torch.allclose(made.images[:2], faint.expand(2, 1, 28, 28), atol=1e-5)
    assert not torch.allclose(made.images[2], faint, atol=1e-2)
    noise = see.invert("digits", picture, "relu1", steps=0).images[0]
    assert abs(float(torch.corrcoef(torch.stack([noise, faint]).flatten(1))[0, 1])) < 0.2


@pytest.mark.parametrize(
    ("size", "positions", "shift"),
    [
        ((224, 224), (7, 7), 8),
        ((224, 224), (56, 56), 2),
        ((224, 224), (112, 112), 1),
        ((224, 224), (224, 224), 0),
        ((28, 28), (14, 14), 1),
        ((27, 27), (9, 9), 0),
        ((16, 224), (1, 14), 0),
        ((224, 224), (), 8),
        ((32,), (64,), 0),
        ((), (), 0),
    ],
)
def test_caricatures_are_shifted_by_at_most_half_a_stride(size, positions, shift) -> None:
    assert [step.shift for step in _shifts(size, positions)] == [shift] * (shift > 0)


def test_the_same_recipe_gives_the_same_drawing_alone_and_beside_others(digit_net: Net) -> None:
    picture = torch.rand(1, 28, 28, generator=torch.Generator().manual_seed(1))
    alone = see.invert(digit_net, picture, "relu1", steps=4)
    beside = see.invert(digit_net, picture, "conv2", "relu1", steps=4)
    assert torch.equal(alone.images[0], beside.images[1])


def test_stages_are_the_last_layer_of_each_size(digit_net: Net) -> None:
    assert default_layers(digit_net) == ["relu1", "pool1", "relu2", "pool2", "output"]
