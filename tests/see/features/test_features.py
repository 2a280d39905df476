"""Filters, feature maps, the best real inputs, statistics, fooled answers."""

import numpy as np
import pytest
import torch
from tests.nets.hostile import Folding
from torch import nn

from convscope.errors import PlaceError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets import Net, wrap
from convscope.see import (
    activation_sum,
    activations,
    best_images,
    channel,
    explain,
    feature_maps,
    filters,
    fooling_images,
    index_units,
    layer_statistics,
    layers_with_filters,
    optimize_input,
    pixel_image,
    ranking,
)
from convscope.worlds import ImageTensorDataset


@pytest.fixture
def data() -> ImageTensorDataset:
    chance = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (70, 1, 28, 28), dtype=torch.uint8, generator=chance)
    pictures[7] = pictures[3]  # a tie
    return ImageTensorDataset(pictures, torch.zeros(70, dtype=torch.int64), ["x"])


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
    order = np.argsort(-pool.maps.numpy().sum((1, 2)), kind="stable")
    assert pool.strongest(3) == order[:3].tolist()
    assert pool.silent == int((pool.maps.numpy().max((1, 2)) == 0).sum())


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


@pytest.mark.parametrize("by", ["max", "mean", "sum"])
@pytest.mark.parametrize("memory", [1, 200_000, 2**30])
def test_best_images_against_sorting_everything(
    digit_net: Net, data: ImageTensorDataset, by: str, memory: int
) -> None:
    places = ["conv1", "relu2:3", "dense1"]
    found = best_images(digit_net, data, places, k=6, by=by, memory=memory)
    with torch.no_grad():
        one = digit_net.module[0](data.images / 255)
        two = digit_net.module[:5](data.images / 255)[:, 3:4]
        three = digit_net.module[:8](data.images / 255)
    for best, all_maps in zip(found, (one, two, three), strict=True):
        flat = all_maps.flatten(2).numpy() if all_maps.dim() > 2 else all_maps.numpy()[:, :, None]
        scores = {"max": flat.max, "mean": flat.mean, "sum": flat.sum}[by](2)
        order = np.argsort(-scores, axis=0)[:6].T
        expected = np.take_along_axis(scores.T, order, 1)
        np.testing.assert_allclose(best.values, expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(np.take_along_axis(scores.T, best.indices.numpy(), 1), expected, atol=1e-4)
        if all_maps.dim() == 4:
            for unit in range(len(best.indices)):
                index = int(best.indices[unit, 0])
                y, x = best.positions[unit, 0].tolist()
                assert all_maps[index, unit, y, x] == pytest.approx(
                    float(all_maps[index, unit].max()), rel=1e-4
                )


def test_ranking_streams_and_bounds_its_memory(digit_net: Net, data: ImageTensorDataset) -> None:
    seen = list(ranking(digit_net, data, ["conv1"], k=3, memory=4 * 5 * 26 * 26 * 16))
    assert len(seen) == 5  # 70 samples in batches of 16
    values = torch.stack([step[0].values for step in seen])
    assert bool((values.diff(dim=0) >= 0).all())
    assert best_images(digit_net, data, ["conv1"], k=500)[0].values.shape == (5, 70)
    for unit in best_images(digit_net, data, ["conv1"], k=70)[0].indices.tolist():
        assert (
            sorted(unit) == list(range(70)) and unit.index(7) == unit.index(3) + 1
        )  # equal pictures, in order
    with pytest.raises(UsageError):
        best_images(digit_net, data, ["conv1"], k=0)
    with pytest.raises(PlaceError):
        best_images(digit_net, data, ["conv7"])


def test_statistics_against_numpy(digit_net: Net, data: ImageTensorDataset) -> None:
    with torch.no_grad():
        digit_net.module[3].bias[2] = -1e3
        maps = digit_net.module[:5](data.images / 255).numpy()
    (found,) = layer_statistics(digit_net, data, ["relu2"], memory=100_000)
    np.testing.assert_allclose(found.mean, maps.mean((0, 2, 3)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.std, maps.std((0, 2, 3)), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(found.zero, (maps == 0).mean((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(found.high, maps.max((0, 2, 3)), rtol=1e-5)
    assert 2 in found.dead and found.dead == np.flatnonzero((maps == 0).all((0, 2, 3))).tolist()
    assert found.saturated == [] and found.inputs == 70


def test_saturated_units(data: ImageTensorDataset) -> None:
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Tanh())
    with torch.no_grad():
        module[0].weight.zero_()
        module[0].bias.copy_(torch.tensor([0.0, 9.0, -9.0]))
    net = wrap(module, TensorSpec((1, 28, 28)))
    (found,) = layer_statistics(net, data, ["1"])
    assert found.saturated == [1, 2] and found.dead == [0]


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
        "best": lambda place: best_images(net, data, [f"{place}:2"], 2),
        "index": lambda place: index_units(net, data, [place], k=2),
    }
    for name, attempt in attempts.items():
        with pytest.raises(PlaceError, match=r"from block\.layers\.0.* around it, block,") as caught:
            attempt("block.layers.0.0")
        assert "one activation for each image" in str(caught.value), name
        attempt("block")  # which gives each image a row again
    assert [layer.place for layer in index_units(net, data, k=2).layers] == ["conv", "head", "output"]
    assert activations(net, images[:2] / 255, ["block.layers.0"])["block.layers.0"].shape == (8, 4, 16)
