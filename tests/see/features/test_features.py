"""Filters, feature maps, fooled answers."""

import numpy as np
import pytest
import torch
from tests.nets.hostile import Folding
from torch import nn

from convscope.errors import PlaceError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets import Net, wrap
from convscope.see import (
    FeatureMaps,
    activation_sum,
    activations,
    channel,
    explain,
    feature_maps,
    filters,
    fooling_images,
    index_units,
    layers_with_filters,
    optimize_input,
    pixel_image,
)
from convscope.worlds import ImageTensorDataset


def test_activations_by_text(digit_net: Net) -> None:
    image = torch.rand(1, 28, 28)
    found = activations(digit_net, image, ["conv1", "relu2:3", "output"])
    assert list(found) == ["conv1", "relu2:3", "output"]
    expected = digit_net.module[0](image[None])
    torch.testing.assert_close(found["conv1"], expected)
    assert found["relu2:3"].shape == (1, 11, 11) and not found["conv1"].requires_grad


def test_degree_is_the_sum_over_the_map() -> None:
    maps = torch.arange(24.0).view(2, 3, 4)
    np.testing.assert_allclose(activation_sum(maps), maps.numpy().sum((1, 2)))


def test_feature_maps_come_in_the_order_of_the_layers(digit_net: Net) -> None:
    found = list(feature_maps(digit_net, torch.rand(1, 28, 28)))
    assert [maps.place for maps in found][:4] == ["conv1", "relu1", "pool1", "conv2"]
    assert found[-1].place == "output" and found[-1].maps.shape == (10,)
    pool = found[2]
    assert pool.maps.shape == (5, 13, 13)
    order = np.argsort(-pool.maps.numpy().std((1, 2)), kind="stable")
    assert pool.strongest(3) == order[:3].tolist()
    assert pool.zero_maps == int((pool.maps.numpy().max((1, 2)) == 0).sum())


def test_a_unit_with_almost_the_map_of_a_stronger_one_is_left_out_and_counted() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 20, 20, generator=generator)
    copy, other = 0.5 * first + 0.05 * torch.randn(20, 20, generator=generator), first + second
    dead = torch.zeros(20, 20)
    found = FeatureMaps("conv", torch.stack([0.1 * second, copy, 3 * first, dead, -first, other, dead]))
    table = np.corrcoef(found.inside.flatten(1).numpy()[[1, 2, 5]])
    assert table[0, 1] > 0.95 > table[0, 2]  # what a copy is, counted by NumPy
    assert found.strongest(3) == [2, 5, 4] and found.alike(3) == 0  # the copy is weaker than these
    assert found.strongest(4) == [2, 5, 4, 0] and found.alike(4) == 1
    assert found.strongest(6) == [2, 5, 4, 0] and found.alike(6) == 1  # units that are 0 fill no row
    assert len(found.strongest(7)) == 7 and found.alike(7) == 0  # all that there are


def test_units_of_one_value_are_never_alike() -> None:
    found = FeatureMaps("dense", torch.tensor([1.0, 1.0, 1.0, 0.5]))
    assert len(found.strongest(3)) == 3 and found.alike(3) == 0


def test_filters_as_pictures(small: Net, digit_net: Net) -> None:
    first = filters(small, "conv1")
    assert first.pictures.shape == (8, 3, 3, 3)
    weights = small.module[0].weight.detach()
    largest = weights.abs().amax((1, 2, 3), keepdim=True)
    torch.testing.assert_close(first.pictures, weights / largest / 2 + 0.5)
    torch.testing.assert_close(first.weights, weights)
    assert filters(small, "conv2").pictures.shape == (6, 8, 1, 3, 3)
    assert filters(small, "conv2:4").pictures.shape == (1, 8, 1, 3, 3)
    mean = filters(small, "conv2", show="mean")
    averaged = small.module[2].weight.detach().mean(1)
    expected = averaged / averaged.abs().amax((1, 2), keepdim=True) / 2 + 0.5
    torch.testing.assert_close(mean.pictures[:, 0, 0], expected)
    assert filters(digit_net, "conv1").pictures.shape == (5, 1, 1, 3, 3)
    assert layers_with_filters(digit_net) == ["conv1", "conv2"]


def test_filters_of_other_kinds() -> None:
    net = wrap(nn.Sequential(nn.Conv1d(2, 4, 5), nn.ConvTranspose1d(4, 6, 3)), TensorSpec((2, 30)))
    assert filters(net, "0").pictures.shape == (4, 2, 1, 1, 5)
    assert filters(net, "1").pictures.shape == (6, 4, 1, 1, 3)


@pytest.mark.parametrize("place", ["relu1", "conv3", "conv1:9", "dense1"])
def test_no_filters_there(digit_net: Net, place: str) -> None:
    with pytest.raises(PlaceError, match="conv1"):
        filters(digit_net, place)
    with pytest.raises(PlaceError, match="three channels"):
        filters(digit_net, "conv2", show="colour")


@pytest.mark.parametrize("softmax", [False, True])
def test_a_classifier_is_easily_fooled(digit_net: Net, softmax: bool) -> None:
    """With logits or with a softmax of its own: noise becomes 'certainly a 3'."""
    torch.manual_seed(0)
    parts = [nn.Flatten(), nn.Linear(784, 10), *[nn.Softmax(1)] * softmax]
    with torch.no_grad():
        parts[1].weight.mul_(3)
    digit_net = wrap(nn.Sequential(*parts), digit_net.input_spec, digit_net.classes)
    fooled = fooling_images(digit_net, [3, "digit 5"], steps=400, lr=0.02)
    assert fooled.units == (3, 5) and fooled.labels == ("digit 3", "digit 5")
    with torch.no_grad():
        answers = digit_net(fooled.images)
    p = answers if softmax else answers.softmax(1)
    np.testing.assert_allclose(fooled.confidences, [p[0, 3], p[1, 5]], rtol=1e-4)
    assert min(fooled.confidences) > 0.99 and fooled.steps < 400
    with pytest.raises(PlaceError):
        fooling_images(digit_net, [12])
    with pytest.raises(UsageError):
        fooling_images(digit_net, [1], confident=1.0)


def test_layers_that_fold_patches_into_the_batch_are_refused_with_a_way_out() -> None:
    torch.manual_seed(0)
    net = wrap(Folding(), Folding.specs)
    images = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8)
    data = ImageTensorDataset(images, torch.zeros(6, dtype=torch.int64), ["x"])
    canvas = pixel_image(net.input_spec, [0, 1])
    attempts = {
        "ascend": lambda place: next(optimize_input(net, channel(f"{place}:2"), canvas, steps=1)),
        "explain": lambda place: explain(net, images[:2] / 255, "saliency", f"{place}:2", checks=()),
        "index": lambda place: index_units(net, data, [place], k=2),
    }
    for name, attempt in attempts.items():
        with pytest.raises(PlaceError, match=r"from block\.layers\.0.* around it, block,") as caught:
            attempt("block.layers.0.0")
        assert "one activation for each image" in str(caught.value), name
        attempt("block")  # which gives each image a row again
    assert [layer.place for layer in index_units(net, data, k=2).layers] == ["conv", "head", "output"]
    assert activations(net, images[:2] / 255, ["block.layers.0"])["block.layers.0"].shape == (8, 4, 16)
