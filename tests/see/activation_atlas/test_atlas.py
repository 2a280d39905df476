"""Gathering, laying out, whitening, naming and drawing, each against something slower."""

import importlib.util
from collections import Counter, deque

import numpy as np
import pytest
import torch

from convscope import see
from convscope.errors import MissingError, PlaceError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets import LayerAddress, Net, load, record, resolve
from convscope.see.activation_atlas import layout
from convscope.see.activation_atlas.build import SHRINK, whitened
from convscope.see.activation_atlas.class_attribution import vectors_to_logits
from convscope.see.features.sampling import iter_sample_activations
from convscope.see.visualization.direction_images import RenderConfig, iter_render_directions
from convscope.worlds import ImageTensorDataset, scaled
from convscope.worlds.datasets import digits


@pytest.fixture
def noise() -> ImageTensorDataset:
    generator = torch.Generator().manual_seed(4)
    images = torch.randint(0, 256, (40, 1, 28, 28), dtype=torch.uint8, generator=generator)
    return ImageTensorDataset(images, torch.arange(40) % 2, ("even", "odd"), TensorSpec((1, 28, 28)))


def gathered(net: Net, data: ImageTensorDataset, place: str, **options):
    last = deque(
        iter_sample_activations(net, data, resolve(net, place), **{"most": 1000, **options}), maxlen=1
    ).pop()
    assert last.fraction == 1
    return last.result()


def test_vectors_are_those_of_their_positions(digit_net: Net, noise: ImageTensorDataset) -> None:
    found = gathered(digit_net, noise, "conv2", each=3)
    assert found.values.shape == (120, 7)
    acts = record(digit_net, scaled(noise.images, noise.spec), ["conv2"])[LayerAddress("conv2")].detach()
    for value, image, (y, x) in zip(found.values, found.images, found.positions.tolist(), strict=True):
        assert torch.allclose(value, acts[image, :, y, x], atol=1e-6)
    assert int(found.positions.min()) >= 1 and int(found.positions.max()) <= 9  # not at the rim of 11


def test_batches_do_not_matter(digit_net: Net, noise: ImageTensorDataset) -> None:
    large, tiny = (
        gathered(digit_net, noise, "conv2", each=2),
        gathered(digit_net, noise, "conv2", each=2, memory=1),
    )
    assert torch.equal(large.positions, tiny.positions)
    assert torch.allclose(large.values, tiny.values, atol=1e-6)


def test_fewer_pictures_are_drawn_at_random(digit_net: Net, noise: ImageTensorDataset) -> None:
    first, second = (gathered(digit_net, noise, "dense1", most=10, seed=seed) for seed in (0, 1))
    assert first.values.shape == (10, 12)
    assert len(set(first.images.tolist())) == 10 and first.images.tolist() != second.images.tolist()


def test_whitening_is_the_inverse_second_moment() -> None:
    vectors = np.random.default_rng(0).normal(size=(400, 5)) @ np.diag([10.0, 1, 1, 0.1, 2]) + 1
    moment = vectors.T @ vectors / 400
    moment += SHRINK * np.trace(moment) / 5 * np.eye(5)
    means = vectors[:3]
    found = whitened(torch.tensor(means), torch.tensor(vectors))
    assert np.allclose(found.numpy(), means @ np.linalg.inv(moment))


def test_pca_agrees_with_numpy_and_says_what_it_is() -> None:
    vectors = np.random.default_rng(1).normal(size=(50, 6)) * [5, 3, 1, 1, 1, 1]
    laid = layout.embed_2d(torch.tensor(vectors).float(), "pca")
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    centred = unit - unit.mean(0)
    _, strengths, axes = np.linalg.svd(centred, full_matrices=False)
    for axis in (0, 1):
        theirs = centred @ axes[axis]
        correlation = np.corrcoef(np.clip(theirs, *np.quantile(theirs, [0.01, 0.99])), laid.points[:, axis])[
            0, 1
        ]
        assert abs(correlation) > 0.999
    share = (strengths[:2] ** 2).sum() / (strengths**2).sum()
    assert laid.spread == pytest.approx(share)
    assert float(laid.points.min()) == 0 and float(laid.points.max()) == 1


def test_umap_is_asked_for_by_name_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch, digit_net, noise
) -> None:
    monkeypatch.setattr(layout.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match=r"pip install umap-learn.*--layout pca"):
        see.atlas(digit_net, "relu2", noise)


@pytest.mark.exhaustive
@pytest.mark.skipif(importlib.util.find_spec("umap") is None, reason="umap-learn is not installed")
def test_umap_keeps_neighbours_together_and_repeats() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(4, 20, generator=generator) * 5
    group = torch.arange(200) % 4
    vectors = centres[group] + 0.3 * torch.randn(200, 20, generator=generator)
    first, second = (layout.embed_2d(vectors, "umap", 3) for _ in range(2))
    assert torch.equal(first.points, second.points)
    distances = torch.cdist(first.points, first.points) + 9 * torch.eye(200)
    assert float((group[distances.argmin(1)] == group).float().mean()) > 0.95


@pytest.mark.parametrize("offset", [False, True])
def test_attributions_are_the_gradients_of_each_class(digit_net: Net, offset: bool) -> None:
    images = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(2))
    at = torch.tensor([[2, 3], [7, 1]])
    baseline = torch.rand(7, generator=torch.Generator().manual_seed(3)) if offset else None
    made = vectors_to_logits(digit_net, LayerAddress("relu2"), images, at, baseline)
    assert made is not None and made.contributions.shape == (2, 10)
    found = made.contributions
    assert torch.allclose(made.logits, digit_net(images), atol=1e-5)
    inputs = images.clone().requires_grad_()
    acts = record(digit_net, inputs, ["relu2", "output"])
    act, logits = acts[LayerAddress("relu2")], acts[LayerAddress("output")]
    detached = act.detach()
    for k in range(10):
        (gradient,) = torch.autograd.grad((logits[:, k] - logits.mean(1)).sum(), act, retain_graph=True)
        for i, (y, x) in enumerate(at.tolist()):
            vector = detached[i, :, y, x] - (0 if baseline is None else baseline)
            assert float((gradient[i, :, y, x] * vector).sum()) == pytest.approx(float(found[i, k]), abs=1e-5)


def test_where_memory_runs_out_no_class_is_left_out_silently(digit_net: Net, monkeypatch) -> None:
    """Only what has no forward derivative gives None."""
    image, at = torch.rand(1, 1, 28, 28), torch.tensor([[2, 3]])
    module = digit_net.module.get_submodule("dense1")
    assert vectors_to_logits(digit_net, LayerAddress("relu2"), image, at) is not None
    for error, expected in (
        (torch.OutOfMemoryError("no room"), True),
        (NotImplementedError("no jvp"), False),
    ):

        def fails(*_, error=error):
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(module, "forward", fails)
            if expected:
                with pytest.raises(torch.OutOfMemoryError):
                    vectors_to_logits(digit_net, LayerAddress("relu2"), image, at)
            else:
                assert vectors_to_logits(digit_net, LayerAddress("relu2"), image, at) is None


def test_an_atlas_of_a_network_without_class_names_is_not_attributed(
    digit_net: Net, noise: ImageTensorDataset
) -> None:
    net = digit_net.with_classes(())
    made = see.atlas(net, "relu2", noise, layout="pca", grid=2, min_count=1, steps=0)
    assert not made.attributed and not any(cell.classes for cell in made.cells)


def test_a_direction_is_drawn_alike_alone_and_in_a_batch(small: Net) -> None:
    vectors = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    render_config = RenderConfig(steps=3, batch=3)
    together = list(iter_render_directions(small, LayerAddress("conv2"), vectors, render_config))[-1]
    assert together.fraction == 1 and together.result().images.shape == (3, 3, 20, 24)
    apart = list(
        iter_render_directions(small, LayerAddress("conv2"), vectors, RenderConfig(steps=3, batch=1))
    )[-1]
    assert torch.allclose(together.result().images, apart.result().images, atol=1e-4)


def test_a_whole_atlas(digit_net: Net, noise: ImageTensorDataset) -> None:
    made = see.atlas(
        digit_net, "relu2", noise, layout="pca", per_image=4, grid=3, min_count=1, steps=1, examples=2
    )
    assert made.attributed and made.vectors == made.placed == 160
    assert sum(cell.count for cell in made.cells) == 160
    assert made.images.shape == (len(made), 1, 28, 28)
    assert [(c.row, c.column) for c in made.cells] == sorted({(c.row, c.column) for c in made.cells})
    for cell in made.cells:
        assert 0 <= cell.row < 3 and 0 <= cell.column < 3
        assert all(found.name.startswith("digit") for found in cell.classes)
        assert cell.pictures <= cell.count and cell.labels[0].pictures == cell.pictures
        assert 1 <= len(cell.examples) <= 2
        assert all(
            noise.labels[s.image] == s.label and all(0 < at < 1 for at in s.position) for s in cell.examples
        )
    again = see.atlas(
        digit_net, "relu2", noise, layout="pca", per_image=4, grid=3, min_count=1, steps=1, examples=2
    )
    assert torch.equal(made.images, again.images)


def test_names_are_the_classes_of_the_pictures_where_the_layer_knows_them() -> None:
    """In the last hidden layer of a trained network, against the labels of the data."""
    net, data = load("digits"), digits.test().take(range(600))
    made = see.atlas(net, "dense1", data, layout="pca", grid=6, min_count=8, steps=0, size=28)
    named = [cell for cell in made.cells if cell.classes]
    assert len(named) >= 5
    right = [cell.classes[0].name == cell.labels[0].name for cell in named]
    assert sum(right) >= 0.7 * len(named)
    largest = {region.name for region in made.regions[:10]}
    assert len(largest) >= 7 and largest <= set(data.classes)


def test_labels_are_counted_by_pictures(digit_net: Net, noise: ImageTensorDataset) -> None:
    made = see.atlas(
        digit_net, "relu2", noise, layout="pca", per_image=1, grid=2, min_count=1, steps=0, examples=64
    )
    for cell in made.cells:
        here = Counter(noise.classes[sight.label] for sight in cell.examples)
        assert {label.name: label.count for label in cell.labels} == dict(here)
        assert cell.labels[0].count == max(here.values())
        assert all(label.usual == 0.5 and label.pictures == len(cell.examples) for label in cell.labels)
        assert {label.together for label in cell.labels} == {len(made.cells)}


def test_errors_say_what_to_do(digit_net: Net, noise: ImageTensorDataset) -> None:
    with pytest.raises(PlaceError, match="relu2"):
        see.atlas(digit_net, "relu22", noise, layout="pca")
    with pytest.raises(UsageError, match="16 vectors"):
        see.atlas(digit_net, "relu2", noise.take(range(5)), layout="pca")
    with pytest.raises(UsageError, match="--min-count"):
        see.atlas(digit_net, "relu2", noise, layout="pca", grid=30, min_count=20)


def test_enough_pictures_are_those_of_a_smaller_number(digit_net: Net, noise: ImageTensorDataset) -> None:
    """What was collected when somebody says enough is what fewer pictures would have brought."""
    answers = iter([False, True])
    place = resolve(digit_net, "relu2")
    *_, last = iter_sample_activations(
        digit_net, noise, place, most=30, each=2, memory=1, enough=lambda: next(answers)
    )
    found, fewer = last.result(), gathered(digit_net, noise, "relu2", most=2, each=2)
    assert (last.fraction, last.message) == (1, "2 of 30 pictures")
    assert torch.equal(found.images, fewer.images)
    assert torch.equal(found.positions, fewer.positions)
    torch.testing.assert_close(found.values, fewer.values)
