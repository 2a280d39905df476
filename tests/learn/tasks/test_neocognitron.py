"""The Neocognitron against loops over the published formulas, and what it learns without labels."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import convscope as cs
from convscope import nets, worlds
from convscope.errors import UsageError
from convscope.learn import Epoch, SelfOrganization, TaskRecipe, Trainer, find_recipe
from convscope.learn.tasks.neocognitron import plane_classes
from convscope.nets.modules.classics.neocognitron import ComplexCells, Neocognitron, SimpleCells
from convscope.worlds import ImageTensorDataset, strokes


def recipe(**settings: Any) -> TaskRecipe:
    return TaskRecipe(**{**find_recipe("neocognitron").settings, **settings})


def falloff(side: int) -> np.ndarray:
    middle = (side - 1) / 2
    return np.array([[0.9 ** np.hypot(y - middle, x - middle) for x in range(side)] for y in range(side)])


def test_s_cells_are_those_of_the_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    layer = SimpleCells(2, 3, 5, 1, 2.5).double()
    with torch.no_grad():
        layer.weight.copy_(torch.rand(layer.weight.shape, generator=generator))
        layer.inhibition.copy_(torch.tensor([0.0, 1.5, 40.0]))
    u = torch.rand(1, 2, 6, 7, generator=generator, dtype=torch.float64)
    found = layer(u)[0].detach().numpy()
    padded = np.pad(u[0].numpy(), ((0, 0), (1, 1), (1, 1)))
    c = np.stack([falloff(5)] * 2)
    c /= c.sum()
    wanted = np.zeros_like(found)
    for k, y, x in np.ndindex(wanted.shape):
        part = padded[:, y : y + 5, x : x + 5]
        v = np.sqrt((c * part**2).sum())
        excitation, b = (layer.weight[k].detach().numpy() * part).sum(), float(layer.inhibition[k].detach())
        wanted[k, y, x] = 2.5 * max(0.0, (1 + excitation) / (1 + 2 * 2.5 / 3.5 * b * v) - 1)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert (wanted > 0).any() and (wanted == 0).any()


@pytest.mark.parametrize("padding", [-1, 0, 1])
def test_c_cells_are_those_of_the_formula(padding: int) -> None:
    layer = ComplexCells(3, padding, 0.4).double()
    u = torch.rand(1, 4, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) ** 3
    found = layer(u)[0].numpy()
    plain = u[0].numpy()
    padded = plain[:, 1:-1, 1:-1] if padding < 0 else np.pad(plain, ((0, 0), *[(padding, padding)] * 2))
    d = falloff(3) / falloff(3).sum()
    wanted = np.zeros_like(found)
    for k, y, x in np.ndindex(wanted.shape):
        sums = (d * padded[:, y : y + 3, x : x + 3]).sum((1, 2))
        value = max(0.0, (1 + sums[k]) / (1 + sums.mean()) - 1)  # clamped before the saturation
        wanted[k, y, x] = value / (0.4 + value)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert found.shape[1] == 4 + 2 * padding and (wanted == 0).any() and wanted.max() < 1


def test_the_sizes_are_those_of_the_paper() -> None:
    net = nets.load("neocognitron", seed=0)
    sizes, u = [], torch.rand(1, 1, 16, 16)
    for simple, complex_ in net.module.stages:
        s = simple(u)
        u = complex_(s)
        sizes += [s.shape[-1], u.shape[-1]]
    assert sizes == [16, 10, 8, 6, 2, 1] and net(torch.rand(2, 1, 16, 16)).shape == (2, 24)


def test_only_the_strongest_cells_learn_and_by_the_published_increments() -> None:
    net = nets.load("neocognitron", seed=0)
    trainer = Trainer(net, strokes.train(), recipe=recipe(epochs=3), task=SelfOrganization())
    layer, pattern = net.module.s1, strokes.patterns()[:1]
    before = {name: tensor.clone() for name, tensor in net.module.state_dict().items()}
    responses = layer(pattern)[0].detach()
    trainer.pause()
    first = trainer.batch_source.order(0)[0]
    pattern = strokes.patterns()[int(first)][None]
    responses = layer(pattern)[0].detach()
    next(iter(trainer))
    wanted = before["s1.weight"].clone(), before["s1.inhibition"].clone()
    seeds = 0
    for k in range(24):  # one of each plane: the largest of all planes within 2 pixels
        places = []
        for y in range(16):
            for x in range(16):
                around = responses[:, max(0, y - 2) : y + 3, max(0, x - 2) : x + 3]
                if responses[k, y, x] > 0 and responses[k, y, x] == around.max():
                    places.append((float(responses[k, y, x]), y, x))
        if places:
            _, y, x = max(places)
            part = torch.nn.functional.pad(pattern[0], (2, 2, 2, 2))[:, y : y + 5, x : x + 5]
            c = torch.from_numpy(falloff(5)).float() / falloff(5).sum()
            wanted[0][k] += c * part
            wanted[1][k] += (c * part.square()).sum().sqrt() / 2
            seeds += 1
    assert seeds > 1
    torch.testing.assert_close(layer.weight.detach(), wanted[0], rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(layer.inhibition.detach(), wanted[1], rtol=1e-5, atol=1e-7)
    for name, tensor in net.module.state_dict().items():
        assert name.startswith("s1.") or torch.equal(tensor, before[name]), name


def trained(data: ImageTensorDataset, seed: int = 0, **settings: Any) -> tuple[nets.Net, Epoch]:
    net = nets.load("neocognitron", seed=seed)
    trainer = Trainer(net, data, strokes.test(), recipe(seed=seed, **settings), task=SelfOrganization())
    *_, last = trainer
    assert isinstance(last, Epoch)
    return net, last


def test_patterns_get_planes_of_their_own_that_tolerate_shifts() -> None:
    net, last = trained(strokes.train())
    fresh = SelfOrganization()
    fresh.prepare(nets.load("neocognitron", seed=0), strokes.train(), recipe())
    untrained = fresh.evaluate(nets.load("neocognitron", seed=0), strokes.test(), None)  # pyright: ignore
    assert last.test_metrics["planes"] == 5
    assert last.test_metrics["accuracy"] > 0.5 > untrained.metrics["accuracy"]
    assert all((parameter >= 0).all() for parameter in net.module.parameters())


def test_labels_are_not_read() -> None:
    data = strokes.train()
    other = replace_labels(data, torch.tensor([3, 4, 0, 1, 2]))
    first, second = (trained(one, epochs=6)[0].module.state_dict() for one in (data, other))
    assert all(torch.equal(first[name], second[name]) for name in first)


def replace_labels(data: ImageTensorDataset, labels: torch.Tensor) -> ImageTensorDataset:
    return ImageTensorDataset(data.images, labels, data.classes, data.spec, data.name)


def test_two_patterns_of_one_plane_are_not_told_apart() -> None:
    responses = torch.tensor([[0.9, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.3, 0.0]])
    assert plane_classes(responses).tolist() == [0, 2, -1]


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "adamw", "momentum": 0.9},
        {"lr": 0.5},
        {"weight_decay": 0.1},
        {"clip": 1.0},
        {"agc": 0.1},
    ],
)
def test_settings_that_would_change_the_increments_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="increments"):
        SelfOrganization().prepare(nets.load("neocognitron", seed=0), strokes.train(), recipe(**settings))


def test_other_networks_and_data_are_refused() -> None:
    with pytest.raises(UsageError, match="Neocognitron"):
        SelfOrganization().prepare(nets.load("mlp", seed=0), strokes.train(), recipe())
    with pytest.raises(UsageError, match="one pattern"):
        SelfOrganization().prepare(nets.load("neocognitron", seed=0), strokes.test(), recipe())
    with pytest.raises(UsageError, match="planes"):
        Neocognitron(planes=0)


def test_it_is_saved_and_opened(tmp_path) -> None:
    net = nets.load("neocognitron", seed=3)
    again = cs.load(nets.save(net, tmp_path / "net"))
    x = torch.rand(2, 1, 16, 16)
    assert torch.equal(net(x), again(x)) and again.module.options == net.module.options


def test_test_patterns_are_shifted_training_patterns() -> None:
    train, test = worlds.open("strokes"), worlds.open("strokes", "test")
    assert (len(train), len(test)) == (5, 120) and not torch.equal(train.images[0], train.images[1])
    for k in range(len(test)):
        own, moved = train.images[int(test.labels[k])][0].nonzero(), test.images[k][0].nonzero()
        shift = moved[0] - own[0]
        assert torch.equal(own + shift, moved) and 1 <= int(shift.abs().max()) <= 2
    assert replace(train.spec, shape=(1, 28, 28)) == worlds.digits.SPEC
