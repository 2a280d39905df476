"""Classes of different sizes: weights and balanced accuracy against scikit-learn, and what is said."""

import numpy as np
import pytest
import torch
from tests.learn.conftest import small_net
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from convscope.errors import UsageError
from convscope.learn import Classification, ClassificationRecipe, Trainer, balanced_weights, evaluate
from convscope.learn.batches.class_balance import class_counts, imbalance_note
from convscope.learn.batches.source import DatasetBatches, make_batches
from convscope.nets.inference.execution import ExecutionConfig

PLAIN = {"precision": "fp32", "memory_format": "contiguous", "batch": 64, "lr": 0.02}


@pytest.fixture(scope="module")
def uneven(train_images):
    """Forty of some classes, eight of others, none of the last."""
    chosen = []
    for label in range(9):
        members = (train_images.labels == label).nonzero().flatten()
        chosen.append(members[: 40 if label < 3 else 8])
    return train_images.take(torch.cat(chosen))


def test_weights_are_scikit_learns(uneven):
    weights = pytest.importorskip("sklearn.utils.class_weight")
    labels = uneven.labels.numpy()
    expected = weights.compute_class_weight("balanced", classes=np.unique(labels), y=labels)
    found = balanced_weights(class_counts(uneven, uneven.classes))
    np.testing.assert_allclose(found[:9], expected, rtol=1e-6)
    assert float(found[9]) == 1 and float(found[uneven.labels].mean()) == pytest.approx(1)


def test_balanced_accuracy_is_scikit_learns(uneven, test_images):
    metrics = pytest.importorskip("sklearn.metrics")
    net = small_net()
    loop = Trainer(net, uneven, test_images, ClassificationRecipe(epochs=2, **PLAIN))
    list(loop)
    found = evaluate(net, test_images)
    expected = metrics.balanced_accuracy_score(found.labels.numpy(), found.predictions.numpy())
    assert found.balanced_accuracy == pytest.approx(expected)
    assert loop.history[-1].test_metrics["balanced_accuracy"] == pytest.approx(expected)
    assert loop.task.primary.name == "accuracy"
    assert "test balanced accuracy" in loop.task.table(loop.history).heads
    assert "balanced accuracy" not in loop.task.table(loop.history).heads


def test_the_loss_is_weighted(uneven):
    task = Classification(label_smoothing=0.0, class_weights="balanced")
    net = task.prepare(small_net(), uneven, None)
    net.module.eval()
    batch = uneven.batch(range(0, 160, 3))
    output = task.training_step(net, batch, ExecutionConfig(), 0)
    with torch.no_grad():
        losses = functional.cross_entropy(net(*batch.inputs), batch.targets, reduction="none")
    weight = balanced_weights(class_counts(uneven, uneven.classes))[batch.targets]
    assert float(output.loss.detach()) == pytest.approx(
        float((losses * weight).sum() / weight.sum()), rel=1e-5
    )
    assert float(output.sums[0]) == pytest.approx(float(losses.sum()), rel=1e-5), "the metric is not weighted"


def test_weights_make_balanced_accuracy_what_is_compared(uneven, test_images):
    recipe = ClassificationRecipe(epochs=2, class_weights="balanced", validation_split=0.3, **PLAIN)
    loop = Trainer(small_net(), uneven, test_images, recipe)
    list(loop)
    assert loop.task.primary.name == "balanced_accuracy"
    assert "balanced_accuracy" in loop.history[-1].validation_metrics


def test_even_classes_have_no_more_metrics(train_images, test_images):
    loop = Trainer(small_net(), train_images, test_images, ClassificationRecipe(epochs=1, **PLAIN))
    list(loop)
    assert loop.history[-1].test_metrics.keys() == {"loss", "accuracy"}


def test_the_note_counts_the_classes(uneven, train_images):
    note = imbalance_note(uneven)
    assert f"{uneven.classes[0]} 40" in note and f"{uneven.classes[8]} 8" in note and "5 times" in note
    assert "--class-weights balanced" in note
    assert imbalance_note(train_images) == imbalance_note([1, 2]) == ""


def test_a_loader_has_no_labels_to_weigh(uneven):
    loader = DataLoader(TensorDataset(uneven.images, uneven.labels), batch_size=40)
    net = small_net().with_classes(uneven.classes)
    with pytest.raises(UsageError, match="weigh its classes"):
        Trainer(net, loader, recipe=ClassificationRecipe(class_weights="balanced"))


def drawn(data, epochs, **settings):
    recipe = ClassificationRecipe(sampler="balanced", **PLAIN, **settings)
    source = make_batches(data, small_net(), recipe, (), recipe.sampler)
    return torch.cat([source.order(epoch) for epoch in range(epochs)]), source


def test_every_class_and_each_of_its_samples_is_drawn_equally_often(uneven):
    """Chi-square: 99.9% of such draws lie nearer to equal counts than the limits."""
    stats = pytest.importorskip("scipy.stats")
    order, source = drawn(uneven, 60)
    assert len(order) == 60 * len(uneven) and source.steps == -(-len(uneven) // 64)
    labels = uneven.labels[order]
    counts = labels.bincount(minlength=10)
    assert counts[9] == 0
    assert stats.chisquare(counts[:9].numpy()).pvalue > 0.001
    for label in (0, 5):
        members = (uneven.labels == label).nonzero().flatten()
        times = torch.stack([(order == member).sum() for member in members])
        assert stats.chisquare(times.numpy()).pvalue > 0.001
    shuffled = torch.cat([DatasetBatches(uneven, small_net(), source.recipe).order(k) for k in range(60)])
    assert stats.chisquare(uneven.labels[shuffled].bincount()[:9].numpy()).pvalue < 1e-9


def test_balanced_draws_follow_from_seed_and_epoch_and_reach_the_network(uneven):
    first, source = drawn(uneven, 1)
    assert torch.equal(first, drawn(uneven, 1)[0])
    assert not torch.equal(first, source.order(1)) and not torch.equal(first, drawn(uneven, 1, seed=1)[0])
    batches = list(source.batches(0, 1))
    assert torch.equal(torch.cat([batch.targets for batch in batches]), uneven.labels[first[64:]])
    images = torch.cat([batch.inputs[0] for batch in batches])
    torch.testing.assert_close(images, uneven.images[first[64:]].float() / 255)


def test_balanced_sampling_resumes_bit_for_bit(uneven):
    recipe = ClassificationRecipe(sampler="balanced", epochs=3, **PLAIN)
    whole, parts, fresh = small_net(), small_net(), small_net()
    list(Trainer(whole, uneven, recipe=recipe))
    trainer = Trainer(parts, uneven, recipe=recipe)
    trainer.pause()
    next(iter(trainer))
    state = trainer.state()
    assert 0 < state.values["step"] < state.values["steps"]
    loop = Trainer(fresh, uneven, recipe=recipe, state=state)
    list(loop)
    assert loop.task.primary.name == "balanced_accuracy"
    assert type(loop.task).from_recipe(recipe).primary.name == "balanced_accuracy"
    for one, two in zip(whole.module.parameters(), fresh.module.parameters(), strict=True):
        assert torch.equal(one, two)


def test_balancing_twice_or_without_labels_is_refused(uneven):
    with pytest.raises(UsageError, match="together twice"):
        ClassificationRecipe.parse({"sampler": "balanced", "class_weights": "balanced"})
    loader = DataLoader(TensorDataset(uneven.images.float() / 255, uneven.labels), 16)
    net = small_net().with_classes(uneven.classes)
    with pytest.raises(UsageError, match="equally often"):
        Trainer(net, loader, recipe=ClassificationRecipe(sampler="balanced"))
