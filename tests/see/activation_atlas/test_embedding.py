"""Inputs in the plane, against NumPy's own decomposition, counts by hand and grids that are known."""

import importlib.util

import numpy as np
import pytest
import torch
from torch import nn

from convscope import see
from convscope.errors import ConvscopeError, MissingError, PlaceError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets import Net, wrap
from convscope.see.activation_atlas import EmbedRecipe, iter_embed_inputs
from convscope.see.activation_atlas.embedding import grid_cells
from convscope.worlds import ImageTensorDataset


@pytest.fixture
def noise() -> ImageTensorDataset:
    generator = torch.Generator().manual_seed(4)
    images = torch.randint(0, 256, (150, 1, 28, 28), dtype=torch.uint8, generator=generator)
    classes = tuple(f"digit {k}" for k in range(10))
    return ImageTensorDataset(images, torch.arange(150) % 10, classes, TensorSpec((1, 28, 28)))


def activations_by_hand(net: Net, data: ImageTensorDataset, layers: int) -> np.ndarray:
    """Run the first layers one after the other, and take means over positions."""
    values = data.images.float() / 255
    with torch.no_grad():
        for layer in list(net.module)[:layers]:  # pyright: ignore[reportArgumentType]
            values = layer(values)
    found = values.numpy()
    return found.mean((2, 3)) if found.ndim == 4 else found


@pytest.mark.parametrize(("place", "layers"), [("conv2", 4), ("relu3", 9)])
def test_places_are_the_principal_components_of_numpy(
    digit_net: Net, noise: ImageTensorDataset, place: str, layers: int
) -> None:
    found = see.embed_inputs(digit_net, place, noise, layout="pca")
    vectors = activations_by_hand(digit_net, noise, layers)
    assert np.allclose(found.activations, vectors, atol=1e-5)
    unit = vectors.astype(np.float64) / np.linalg.norm(vectors, axis=1, keepdims=True)
    centred = unit - unit.mean(0)
    values, axes = np.linalg.eigh(centred.T @ centred)  # another algorithm than the SVD
    for axis in (0, 1):
        theirs = centred @ axes[:, -1 - axis]
        theirs = (theirs - theirs.min()) / (theirs.max() - theirs.min())
        ours = found.layouts["pca"][:, axis].numpy()
        assert min(np.abs(ours - theirs).max(), np.abs(ours - (1 - theirs)).max()) < 1e-4
    assert found.spread == pytest.approx(values[-2:].sum() / values.sum(), rel=1e-5)


def test_labels_predictions_and_the_unit_that_stands_out(digit_net: Net, noise: ImageTensorDataset) -> None:
    found = see.embed_inputs(digit_net, "relu3", noise, layout="pca")
    with torch.no_grad():
        logits = digit_net.module(noise.images.float() / 255).numpy()
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert found.images.tolist() == list(range(150)) and found.labels.tolist() == [k % 10 for k in range(150)]
    assert found.predictions.tolist() == chances.argmax(1).tolist()
    assert np.allclose(found.probabilities, chances.max(1), atol=1e-5)
    values = found.activations.numpy()
    deviation = values.std(0)
    scores = (values - values.mean(0)) / np.where(deviation > 0, deviation, 1)
    assert found.units.tolist() == scores.argmax(1).tolist()


def test_fewer_inputs_are_a_sample_and_the_order_of_batches_does_not_matter(
    digit_net: Net, noise: ImageTensorDataset
) -> None:
    some = see.embed_inputs(digit_net, "dense1", noise, layout="pca", images=40, seed=3)
    again = see.embed_inputs(digit_net, "dense1", noise, layout="pca", images=40, seed=3)
    other = see.embed_inputs(digit_net, "dense1", noise, layout="pca", images=40, seed=4)
    chosen = some.images.tolist()
    assert len(some) == 40 and chosen == sorted(set(chosen)) and chosen != other.images.tolist()
    assert torch.equal(some.layouts["pca"], again.layouts["pca"])
    assert some.labels.tolist() == [k % 10 for k in chosen]
    whole = see.embed_inputs(digit_net, "dense1", noise, layout="pca")
    assert torch.allclose(some.activations, whole.activations[chosen], atol=1e-6)


def test_a_stop_lays_out_what_there_is_without_umap(digit_net: Net, noise: ImageTensorDataset) -> None:
    recipe = EmbedRecipe.parse({"net": "n", "layer": "relu3", "data": "noise"})
    steps = list(iter_embed_inputs(digit_net, noise, recipe, enough=lambda: True))
    found = steps[-1].result()
    assert found is not None and len(found) == 64 and list(found.layouts) == ["pca"]
    assert all(step.result() is None for step in steps[:-1])


def test_without_umap_there_is_pca_unless_it_was_asked_for(
    digit_net: Net, noise: ImageTensorDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "umap" else there(name, *rest)
    )
    assert list(see.embed_inputs(digit_net, "relu3", noise).layouts) == ["pca"]
    with pytest.raises(MissingError, match="umap-learn"):
        see.embed_inputs(digit_net, "relu3", noise, layout="umap")


@pytest.mark.slow
def test_umap_comes_after_pca_and_keeps_groups_apart(digit_net: Net) -> None:
    """Two groups of pictures whose layers differ: everybody's nearest neighbours are of the own group."""
    pytest.importorskip("umap")
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 60, (80, 1, 28, 28), dtype=torch.uint8, generator=generator)
    images[:40, :, :14] += 150
    images[40:, :, 14:] += 150
    data = ImageTensorDataset(images, torch.arange(80) // 40, ("top", "bottom"), TensorSpec((1, 28, 28)))
    recipe = EmbedRecipe.parse({"net": "n", "layer": "dense1", "data": "d", "layout": "umap"})
    steps = list(iter_embed_inputs(digit_net, data, recipe))
    first = next(step for step in steps if step.result() is not None)
    assert first.milestone and list(first.result().layouts) == ["pca"]  # pyright: ignore[reportOptionalMemberAccess]
    found = steps[-1].result()
    assert found is not None and list(found.layouts) == ["pca", "umap"] and 0 < found.spread <= 1
    points = found.layouts["umap"]
    near = torch.cdist(points, points).topk(4, largest=False).indices[:, 1:]
    assert (found.labels[near] == found.labels[:, None]).float().mean() > 0.95
    assert float(points.min()) == 0 and float(points.max()) == 1


@pytest.mark.parametrize(("rows", "columns"), [(3, 4), (6, 8), (9, 12)])
def test_points_of_a_grid_get_its_cells(rows: int, columns: int) -> None:
    row, column = np.divmod(np.random.default_rng(0).permutation(rows * columns), columns)
    points = torch.from_numpy(np.stack([column / columns, 1 - row / rows], 1)).float()
    grid, cells = grid_cells(points)
    assert grid == (rows, columns)
    assert cells.tolist() == np.stack([row, column], 1).tolist()


@pytest.mark.parametrize("count", [1, 2, 17, 100, 1003])
def test_every_point_has_a_cell_of_its_own_inside_the_grid(count: int) -> None:
    points = torch.rand(count, 2, generator=torch.Generator().manual_seed(count))
    (rows, columns), cells = grid_cells(points)
    assert len(set(map(tuple, cells.tolist()))) == count
    assert int(cells.min()) >= 0 and int(cells[:, 0].max()) < rows and int(cells[:, 1].max()) < columns
    assert rows * columns - count < columns  # nearly full
    if count > 50:
        across = np.corrcoef(cells[:, 1], points[:, 0])[0, 1]
        down = np.corrcoef(cells[:, 0], -points[:, 1])[0, 1]
        assert across > 0.95 and down > 0.95


def test_a_network_that_is_no_classifier_has_no_predictions(noise: ImageTensorDataset) -> None:
    torch.manual_seed(0)
    module = nn.Sequential()
    module.add_module("conv1", nn.Conv2d(1, 4, 5))
    found = see.embed_inputs(wrap(module, TensorSpec((1, 28, 28))), "conv1", noise, layout="pca")
    assert len(found.predictions) == len(found.probabilities) == 0 and len(found) == 150


def test_what_cannot_be_laid_out_is_refused(digit_net: Net, noise: ImageTensorDataset) -> None:
    with pytest.raises(PlaceError, match="relu3"):
        see.embed_inputs(digit_net, "relu33", noise, layout="pca")
    with pytest.raises(UsageError, match="16"):
        see.embed_inputs(digit_net, "relu3", noise.take(range(9)), layout="pca")
    with torch.no_grad():
        digit_net.module.conv1.weight.fill_(float("nan"))  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ConvscopeError, match="activations"):
        see.embed_inputs(digit_net, "conv1", noise, layout="pca")
