import math
import warnings

import pytest
import timm.utils
import torch
from tests.learn.conftest import small_net
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from convscope import nets
from convscope.errors import DataError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.learn import (
    ClassificationRecipe,
    Epoch,
    Trainer,
    TrainProgress,
    evaluate,
    iter_train,
    iter_train_run,
)
from convscope.learn.optimization.schedules import lr_factor
from convscope.learn.recipe import SMALL
from convscope.nets.activations.classifier_output import PROBABILITIES

EXACT = {"precision": "fp32", "memory_format": "contiguous"}
PLAIN = "conv 4 3x3, relu, maxpool 2, flatten, dense 10"


def last(loop):
    return [event for event in loop if isinstance(event, Epoch)][-1]


def test_it_learns(train_images, test_images):
    net = small_net(text="conv 8 3x3, relu, maxpool 2, conv 16 3x3, relu, maxpool 2, flatten, dense 10")
    loop = iter_train(net, train_images, test_images, ClassificationRecipe(epochs=6, batch=32))
    events = list(loop)
    epochs = [e for e in events if isinstance(e, Epoch)]
    assert [e.index for e in epochs] == [1, 2, 3, 4, 5, 6]
    assert epochs[-1].test_metrics["accuracy"] > 0.85 > 0.5 > epochs[0].metrics["accuracy"]
    assert epochs[-1].metrics["loss"] < epochs[0].metrics["loss"]
    assert all(0 <= e.done <= 1 for e in events)
    assert loop.net.classes == train_images.classes
    assert loop.net.module is net.module
    assert net.classes == ()  # the given network keeps its own


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("sgd", lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)),
        ("adam", lambda groups: torch.optim.Adam(groups)),
        ("adamw", lambda groups: torch.optim.AdamW(groups)),
        ("rmsprop", lambda groups: torch.optim.RMSprop(groups, momentum=0.9)),
        ("adadelta", lambda groups: torch.optim.Adadelta(groups, rho=0.95)),
    ],
)
@pytest.mark.parametrize("extra", [{}, {"clip": 0.5, "label_smoothing": 0.0}, {"agc": 0.02}])
@pytest.mark.slow
def test_it_is_the_loop_one_writes_by_hand(train_images, name, make, extra):
    net, twin = small_net(text=PLAIN), small_net(text=PLAIN).module
    recipe = ClassificationRecipe(
        optimizer=name, epochs=2, batch=100, lr=0.01, weight_decay=0.1, **EXACT, **extra
    )
    loop = Trainer(net, train_images, recipe=recipe)
    weights = list(twin.parameters())
    optimizer = make(
        [
            {"params": [p for p in weights if p.ndim > 1], "weight_decay": 0.1},
            {"params": [p for p in weights if p.ndim == 1], "weight_decay": 0.0},
        ]
    )
    for epoch in range(2):
        for step, batch in enumerate(loop.batch_source.batches(epoch, 0)):
            for group in optimizer.param_groups:
                group["lr"] = 0.01 * lr_factor(recipe, 6 * epoch + step, 12)
            loss = functional.cross_entropy(
                twin(*batch.inputs), batch.targets, label_smoothing=recipe.label_smoothing
            )
            optimizer.zero_grad()
            loss.backward()
            if recipe.agc:
                timm.utils.adaptive_clip_grad(weights[:-2], recipe.agc)
            if recipe.clip:
                nn.utils.clip_grad_norm_(weights, recipe.clip)
            optimizer.step()
    before = [p.clone() for p in net.module.parameters()]
    list(loop)
    assert not any(torch.allclose(a, b, atol=1e-4) for a, b in zip(before, weights, strict=True))
    for ours, theirs in zip(net.module.parameters(), weights, strict=True):
        assert torch.allclose(ours, theirs, atol=2e-5)


def test_every_picture_once_an_epoch_in_another_order(train_images):
    loop = Trainer(small_net(), train_images, recipe=ClassificationRecipe(batch=64, **EXACT))
    epochs = [list(loop.batch_source.batches(epoch, 0)) for epoch in (0, 1)]
    seen = [torch.cat([batch.targets for batch in batches]) for batches in epochs]
    pictures = [torch.cat([batch.inputs[0] for batch in batches]).sum((1, 2, 3)) for batches in epochs]
    assert torch.equal(seen[0].bincount(), train_images.labels.bincount())
    assert torch.equal(pictures[0].sort().values, pictures[1].sort().values)
    assert not torch.equal(pictures[0], pictures[1])


def test_a_last_batch_of_one_is_left_out(train_images):
    net = small_net(text="conv 4 3x3, batchnorm, relu, flatten, dense 20, relu, dense 10")
    loop = Trainer(
        net, train_images.take(range(65)), recipe=ClassificationRecipe(batch=64, epochs=1, **EXACT)
    )
    assert loop.batch_source.steps == 1
    assert last(loop).metrics["loss"] > 0


def test_the_worlds_randomness_and_the_mode_are_left_alone(train_images):
    net = small_net()
    net.module.eval()
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    for event in iter_train(
        net, train_images, recipe=ClassificationRecipe(epochs=2, batch=32, augment=("shift",), **EXACT)
    ):
        if event.done < 1:
            assert net.module.training
    assert torch.equal(torch.rand(3), wanted)
    assert not any(part.training for part in net.module.modules())


def test_the_same_seed_gives_the_same_weights(train_images):
    def trained(seed):
        net = small_net()
        torch.rand(seed + 1)
        list(
            iter_train(
                net,
                train_images,
                recipe=ClassificationRecipe(
                    epochs=1, batch=64, seed=seed, augment=("shift", "flip"), **EXACT
                ),
            )
        )
        return torch.cat([p.flatten() for p in net.module.parameters()])

    assert torch.equal(trained(3), trained(3))
    assert not torch.equal(trained(3), trained(4))


def test_metrics_are_means_over_the_epoch(train_images):
    net = small_net(text=PLAIN)
    epoch = last(
        iter_train(
            net, train_images, train_images, ClassificationRecipe(epochs=1, batch=64, lr=1e-12, **EXACT)
        )
    )
    assert epoch.metrics["loss"] == pytest.approx(epoch.test_metrics["loss"], abs=1e-5)
    assert epoch.metrics["accuracy"] == pytest.approx(epoch.test_metrics["accuracy"])
    assert epoch.test_metrics["loss"] == pytest.approx(evaluate(net, train_images).loss)


def test_a_network_that_ends_in_softmax_learns_the_same(train_images):
    ends = ["", ", softmax"]
    trained = []
    for end in ends:
        net = small_net(text=PLAIN + end)
        loop = Trainer(net, train_images, recipe=ClassificationRecipe(epochs=1, batch=64, **EXACT))
        assert (loop.task.head.kind == PROBABILITIES) == bool(end)
        list(loop)
        trained.append(torch.cat([p.flatten() for p in net.module.parameters()]))
    assert torch.allclose(*trained, atol=1e-4)


@pytest.mark.parametrize("name", ["lenet5", "mlp", "lecture"])
@pytest.mark.slow
def test_networks_of_the_zoo_learn(train_images, test_images, name):
    net = nets.load(name, weights=None, seed=0)
    epoch = last(iter_train(net, train_images, test_images, ClassificationRecipe(epochs=6, batch=32)))
    assert epoch.test_metrics["accuracy"] > 0.75


class Recurrent(nn.Module):
    """Reused module, dict output, control flow, one spatial axis."""

    def __init__(self):
        super().__init__()
        self.first, self.again, self.norm = (
            nn.Conv1d(2, 4, 3, padding=1),
            nn.Conv1d(4, 4, 3, padding=1),
            nn.BatchNorm1d(4),
        )
        self.top = nn.Linear(4, 3)

    def forward(self, x):
        x = self.norm(self.first(x))
        for _ in range(2):
            x = torch.relu(self.again(x))
        return {"logits": self.top(x.mean(-1)), "features": x}


def waves(count=240):
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (count,), generator=generator)
    time = torch.linspace(0, 6.28, 20)
    signal = torch.sin(time[None] * (1 + 2 * labels[:, None]))
    return torch.stack((signal, signal.roll(3, -1)), 1) + 0.1 * torch.randn(
        count, 2, 20, generator=generator
    ), labels


def test_any_module_and_any_loader():
    net = nets.wrap(Recurrent(), TensorSpec((2, 20), value_range=(-2, 2)), classes=("low", "mid", "high"))
    loader = DataLoader(TensorDataset(*waves()), batch_size=32, shuffle=True)
    epoch = last(iter_train(net, loader, loader, ClassificationRecipe(epochs=12, lr=0.02)))
    assert epoch.test_metrics["accuracy"] > 0.9


def test_a_loader_that_yields_nonsense():
    net = nets.wrap(Recurrent(), TensorSpec((2, 20), value_range=(-2, 2)), classes=("low", "mid", "high"))
    inputs, labels = waves(32)
    for wrong in ([(inputs,)], [(inputs, labels[:5])], [(inputs, labels.float())], [inputs]):
        with pytest.raises(DataError, match="pairs of inputs"):
            list(iter_train(net, wrong, recipe=ClassificationRecipe(epochs=1)))


def test_labels_out_of_range_from_a_loader():
    net = nets.wrap(Recurrent(), TensorSpec((2, 20), value_range=(-2, 2)), classes=("low", "mid", "high"))
    inputs, labels = waves(32)
    with pytest.raises(DataError, match="class numbers from 0 to 2"):
        list(iter_train(net, [(inputs, labels + 1)], recipe=ClassificationRecipe(epochs=1)))


def test_five_outputs_cannot_learn_ten_classes(train_images):
    with pytest.raises(UsageError, match="10 outputs"):
        Trainer(small_net(text="flatten, dense 5"), train_images)


def test_no_data_and_no_weights(train_images):
    with pytest.raises(DataError):
        Trainer(small_net(), train_images.take([]))
    with pytest.raises(UsageError, match="may change"):
        net = small_net()
        net.module.requires_grad_(False)
        Trainer(net, train_images, recipe=ClassificationRecipe(**EXACT))
    with pytest.raises(UsageError, match="a Dataset or a DataLoader"):
        net = small_net()
        net = net.with_classes(train_images.classes)
        Trainer(net, 7)  # pyright: ignore


def test_frozen_layers_stay(train_images):
    net = small_net(text=PLAIN)
    first = next(net.module.parameters())
    first.requires_grad_(False)
    before = first.clone()
    list(iter_train(net, train_images, recipe=ClassificationRecipe(epochs=1, **EXACT)))
    assert torch.equal(first, before)


def test_progress_comes_when_asked(train_images):
    loop = Trainer(small_net(), train_images, recipe=ClassificationRecipe(epochs=1, batch=16, **EXACT))
    loop.pause()
    event = next(iter(loop))
    assert isinstance(event, TrainProgress)
    assert (event.epoch, event.step, event.steps) == (1, 1, 38)
    assert event.done == pytest.approx(1 / 38)
    assert math.isfinite(event.samples_per_second)


def test_large_networks_get_a_small_rate(train_images):
    net = small_net(text=f"flatten, dense {SMALL // 784 + 10}, relu, dense 10")
    assert Trainer(net, train_images, recipe=ClassificationRecipe(**EXACT)).rates.max_lr == 0.001


def test_augmentations_that_a_loader_would_ignore_are_refused(train_images):
    net = small_net().with_classes(train_images.classes)
    loader = DataLoader(TensorDataset(train_images.images, train_images.labels), batch_size=64)
    with pytest.raises(UsageError, match="a Dataset to augment by shift"):
        Trainer(net, loader, recipe=ClassificationRecipe(augment=("shift",), **EXACT))


def test_settings_stand_in_the_place_of_the_recipe_s_own(train_images, tmp_path):
    plain = iter_train(small_net(), train_images, epochs=2, lr=0.01)
    assert (plain.recipe.epochs, plain.recipe.lr) == (2, 0.01)
    recipe = ClassificationRecipe(epochs=5, batch=32, **EXACT)
    changed = iter_train(small_net(), train_images, None, recipe, epochs=1)
    assert changed.recipe == recipe.model_copy(update={"epochs": 1})
    run = iter_train_run(small_net(), train_images, None, recipe, epochs=1, out=tmp_path / "run")
    assert run.trainer.recipe.epochs == 1
    with pytest.raises(UsageError, match="received learning_rate"):
        iter_train(small_net(), train_images, learning_rate=0.1)


@pytest.mark.parametrize(
    ("scale", "shift", "said"),
    [
        (255.0, 0.0, "Divide by 255"),
        (2.0, -1.0, "received values from -1 to 1"),
        (1.0, 0.0, ""),
        (1.4, -0.1, ""),
    ],
)
def test_images_of_a_loader_out_of_the_spec_s_range_are_warned_of_once(train_images, scale, shift, said):
    images = train_images.images[:64].float() / 255 * scale + shift
    loader = DataLoader(TensorDataset(images, train_images.labels[:64]), batch_size=32)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        list(iter_train(small_net().with_classes(train_images.classes), loader, epochs=2))
    about = [str(warning.message) for warning in caught if "The loader" in str(warning.message)]
    assert len(about) == bool(said) and all(said in text for text in about)
