import random

import numpy as np
import pytest
import torch
from tests.learn.conftest import small_net
from tests.reference import fastai_suggestions
from torch.utils.data import DataLoader, Dataset

from convscope.errors import TrainingError, UsageError
from convscope.learn import ClassificationRecipe, Trainer, find_lr, iter_find_lr, train, with_suggested_lr
from convscope.learn.optimization.lr_finder import steepest, valley
from convscope.show.results import drawing

RECIPE = ClassificationRecipe(
    epochs=1, batch=100, precision="fp32", memory_format="contiguous", augment=("shift",)
)
NORMED = "conv 4 3x3, batchnorm, relu, maxpool 4, flatten, dropout 0.3, dense 10"


class Drawing(Dataset):
    """Samples that are changed by every generator there is, as users' data sets are."""

    def __init__(self, images):
        self.images, self.classes = images, images.classes

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = self.images.images[index] / 255 + torch.rand(1) * 0.1
        image = image * (1 + 0.1 * random.random() + 0.1 * np.random.rand())  # noqa: NPY002
        return image.float(), int(self.images.labels[index])


def loader(images):
    return DataLoader(
        Drawing(images), batch_size=100, shuffle=True, generator=torch.Generator().manual_seed(3)
    )


def generators(data=None):
    own = getattr(data, "generator", None)
    return (
        random.getstate(),
        [part.tolist() if hasattr(part, "tolist") else part for part in np.random.get_state()],  # noqa: NPY002
        torch.get_rng_state().tolist(),
        None if own is None else own.get_state().tolist(),
    )


def contents(net):
    return {name: tensor.clone() for name, tensor in net.module.state_dict().items()}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[n], second[n]) for n in first)


def trained(data, find):
    import convscope.nets.zoo  # noqa: F401  # while it is imported, the checks of types draw at random

    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    net = small_net(text=NORMED)
    if find:
        find_lr(net, data, RECIPE if not isinstance(data, DataLoader) else PLAIN, steps=12)
    list(Trainer(net, data, recipe=RECIPE if not isinstance(data, DataLoader) else PLAIN))
    return contents(net), generators(data)


PLAIN = RECIPE.model_copy(update={"augment": ()})


@pytest.mark.parametrize("make", [lambda images: images, loader], ids=["images", "loader"])
def test_a_training_afterwards_is_bit_for_bit_the_same(train_images, make):
    (first, states), (second, others) = (trained(make(train_images), find) for find in (False, True))
    assert same(first, second)
    assert states == others


@pytest.mark.parametrize("how", ["left", "closed", "interrupted", "exploded", "failed"])
def test_nothing_is_touched_however_it_ends(train_images, how, monkeypatch):
    data, net = loader(train_images), small_net(text=NORMED)
    net.module.eval()
    before, states = contents(net), generators(data)
    span = (1e3, 1e9) if how == "exploded" else (1e-7, 10.0)
    sweep = iter_find_lr(net, data, PLAIN, steps=10, span=span)
    if how == "failed":
        with torch.no_grad():
            next(net.module.parameters()).fill_(float("nan"))
        before = contents(net)
        with pytest.raises(TrainingError):
            list(sweep)
        before = {name: tensor.nan_to_num(7) for name, tensor in before.items()}
        assert same(before, {name: tensor.nan_to_num(7) for name, tensor in contents(net).items()})
    elif how == "exploded":
        assert list(sweep)[-1].result().exploded
    else:
        next(sweep)
        next(sweep)
        assert generators(data) == states, "between two steps"
        if how == "closed":
            sweep.close()
        if how == "interrupted":
            with pytest.raises(KeyboardInterrupt):
                sweep.throw(KeyboardInterrupt())
    if how != "failed":
        assert same(before, contents(net))
    assert generators(data) == states
    assert not any(part.training for part in net.module.modules())
    assert all(p.grad is None for p in net.module.parameters())


def test_rates_grow_by_a_constant_factor_and_losses_are_those_of_the_same_steps(train_images):
    net = small_net()
    found = find_lr(net, train_images, PLAIN, span=(1e-4, 1e-2), steps=9)
    rates = found.rates
    torch.testing.assert_close(rates[1:] / rates[:-1], torch.full((8,), 100 ** (1 / 8), dtype=torch.float64))
    assert (float(rates[0]), float(rates[-1])) == pytest.approx((1e-4, 1e-2))
    again = small_net()
    loop = Trainer(again, train_images, recipe=PLAIN.model_copy(update={"epochs": 2}))
    loop.rates.schedule = lambda step: rates[step].item()
    losses, events = [], iter(loop)
    while len(losses) < 9:
        loop.pause()
        event = next(events)
        losses += [event.loss] if hasattr(event, "loss") else []
    assert losses == found.losses.tolist()


def test_smoothing_has_no_bias(train_images):
    found = find_lr(small_net(), train_images, PLAIN, steps=12)
    weights = 0.98 ** np.arange(12)[::-1]
    expected = [
        (found.losses[: k + 1].numpy() * weights[11 - k :]).sum() / weights[11 - k :].sum() for k in range(12)
    ]
    np.testing.assert_allclose(found.smoothed, expected, rtol=1e-9)


def test_suggestions_are_fastais():
    generator = np.random.default_rng(0)
    for _ in range(30):
        count = int(generator.integers(12, 90))
        rates = (1e-7 * 10 ** (8 * np.arange(count) / count)).tolist()
        bend = generator.integers(3, count - 2)
        losses = np.where(np.arange(count) < bend, 2.3, 2.3 - 0.05 * (np.arange(count) - bend))
        losses = (losses + 0.02 * generator.standard_normal(count)).tolist()
        assert valley(rates, losses) == fastai_suggestions.valley(rates, losses)
        assert steepest(rates, losses) == fastai_suggestions.steep(rates, losses)


def test_it_suggests_what_learns_and_shows_it(train_images):
    found = find_lr(small_net(), train_images, PLAIN)
    assert found.suggestion == found.steepest and 1e-5 < found.valley < found.steepest < 1
    assert f"{found.steepest:.2g}" in found.summary
    picture = drawing(found).image
    assert picture is not None and picture.size == (720, 400)
    recipe = with_suggested_lr(PLAIN.model_copy(update={"find_lr": True}), found)
    assert (recipe.lr, recipe.find_lr) == (float(f"{found.steepest:.2g}"), False)


def test_nothing_is_suggested_where_the_loss_does_not_fall(train_images):
    net = small_net()
    found = find_lr(net, train_images, PLAIN, span=(1e-12, 1e-11), steps=20)
    assert found.suggestion is None and "hardly falls" in found.summary
    assert with_suggested_lr(PLAIN, found).lr == PLAIN.lr
    assert drawing(found).image is not None


def test_train_finds_the_rate_first(train_images, tmp_path):
    settings = {**PLAIN.model_dump(exclude_unset=True), "augment": ()}
    run = train(small_net(), train_images, out=tmp_path / "run", find_lr=True, **settings)
    found = find_lr(small_net(), train_images, run.recipe)
    assert run.recipe.lr == float(f"{found.steepest:.2g}") and not run.recipe.find_lr


@pytest.mark.parametrize("span", [(0.0, 1.0), (1.0, 1.0), (1.0, 0.1), (1e-3, float("inf"))])
def test_an_empty_span_is_refused(train_images, span):
    with pytest.raises(UsageError, match="learning rates"):
        find_lr(small_net(), train_images, PLAIN, span=span)


def test_a_rate_that_is_given_needs_no_finder():
    with pytest.raises(UsageError, match="only with --lr left out"):
        ClassificationRecipe.parse({"find_lr": True, "lr": 0.1})


def test_a_trainer_does_not_ignore_it(train_images):
    with pytest.raises(UsageError, match="learning rate"):
        Trainer(small_net(), train_images, recipe=ClassificationRecipe(find_lr=True))
