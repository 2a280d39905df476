"""Training of capsule networks: margins, masks, and what is said of the routing."""

import numpy as np
import pytest
import torch

from convscope import learn, nets
from convscope.errors import UsageError
from convscope.learn import CapsuleClassification, CapsuleRecipe, ClassifiedSamples, ImageRows, NumberTable
from convscope.learn.tasks.geometry.capsules import CHANGES
from convscope.nets.inference.execution import ExecutionConfig
from convscope.nets.modules.classics.capsules import CapsuleMask
from convscope.worlds import Batch, digits

EXACT = {"precision": "fp32", "memory_format": "contiguous", "batch": 16}
CHAIN = "conv 8 9x9, relu, conv 16 9x9 stride=2, squash 8, capsules 10 4 8, capsulelength 4"


def prepared(network: str = "capsnet-small") -> tuple[nets.Net, CapsuleClassification]:
    setup = learn.setup_training(CapsuleRecipe(network=network))
    return setup.task.prepare(setup.net, setup.train, None), setup.task


def batch(count: int = 6) -> Batch:
    data = digits.test()
    return Batch((data.images[:count].float() / 255,), data.labels[:count])


def test_margins_are_squared():
    """Equation 4 in a loop; with margins that are not squared it would be another number."""
    torch.manual_seed(0)
    lengths, labels = torch.rand(20, 10).double(), torch.arange(20) % 10
    expected = []
    for row, label in zip(lengths.numpy(), labels.tolist(), strict=True):
        terms = [
            max(0.0, 0.9 - v) ** 2 if k == label else 0.5 * max(0.0, v - 0.1) ** 2 for k, v in enumerate(row)
        ]
        expected.append(sum(terms))
    np.testing.assert_allclose(learn.margin_loss(lengths, labels).numpy(), expected)
    sure = torch.tensor([[0.95, 0.05, 0.1]])
    assert float(learn.margin_loss(sure, torch.tensor([0]))) == 0
    assert float(learn.margin_loss(sure, torch.tensor([1]))) == pytest.approx(0.85**2 + 0.5 * 0.85**2)


def test_the_loss_has_margins_and_the_reconstruction_of_the_true_class():
    net, task = prepared()
    one = batch()
    with torch.no_grad():  # so that the reconstruction depends on which capsule is kept
        for name in ("dense1", "dense2", "dense3"):
            net.module.get_submodule(name).weight.mul_(20)
        predicted = (net(one.inputs[0])["image"] - one.inputs[0].flatten(1)).square().sum()
    out = task.training_step(net, one, ExecutionConfig(), 0)
    assert abs(float(out.sums[2]) / float(predicted) - 1) > 1e-3
    with torch.no_grad():
        capsules = net.module.capsules(
            net.module.squash(net.module.primary(net.module.conv1(one.inputs[0]).relu()))
        )
        lengths = capsules.view(-1, 10, 16).norm(dim=2)
        true = torch.zeros(6, 10, 16)
        for k, label in enumerate(one.targets.tolist()):
            true[k, label] = capsules.view(-1, 10, 16)[k, label]
        hidden = net.module.dense2(net.module.dense1(true.flatten(1)).relu()).relu()
        images = torch.sigmoid(net.module.dense3(hidden))
        errors = (images - one.inputs[0].flatten(1)).square().sum(1)
        margins = learn.margin_loss(lengths, one.targets)
    torch.testing.assert_close(out.loss.detach(), margins.mean() + 0.0005 * errors.mean())
    right = (lengths.argmax(1) == one.targets).sum()
    torch.testing.assert_close(out.sums, torch.stack([margins.sum(), right, errors.sum()]))
    assert not net.module.get_submodule("mask")._forward_hooks


def test_the_test_reconstructs_the_predicted_class_and_measures_margins():
    net, task = prepared()
    data = digits.test().take(range(40))
    found = task.evaluate(net, data, ExecutionConfig())
    with torch.no_grad():
        output = net(data.images.float() / 255)
    margins = learn.margin_loss(output["length"], data.labels)
    errors = (output["image"] - data.images.flatten(1) / 255).square().sum(1)
    assert found.metrics["loss"] == pytest.approx(float(margins.mean()), rel=1e-5)
    assert found.metrics["reconstruction"] == pytest.approx(float(errors.mean()), rel=1e-5)
    assert found.metrics["accuracy"] == float((output["length"].argmax(1) == data.labels).double().mean())
    again = learn.evaluate(net, data)
    assert again.accuracy == found.metrics["accuracy"]
    torch.testing.assert_close(again.probabilities, found.evidence.evaluation.probabilities)


def test_probabilities_follow_from_lengths_as_from_independent_ones():
    """P(only k is there), divided by the sum over all k."""
    net, _ = prepared()
    head = learn.tasks.classifiers.classifier_head.read_head(net, 10, "digits")
    lengths = torch.rand(5, 10) * 0.9 + 0.05
    alone = torch.stack(
        [
            lengths[:, k] * torch.cat([1 - lengths[:, :k], 1 - lengths[:, k + 1 :]], 1).prod(1)
            for k in range(10)
        ],
        1,
    )
    torch.testing.assert_close(head.logits(lengths).softmax(1), alone / alone.sum(1, keepdim=True))
    read = nets.activations.classifier_output.read_output(net, {"length": lengths})
    torch.testing.assert_close(read.log_probabilities().exp(), alone / alone.sum(1, keepdim=True))


def test_the_routing_of_each_class_is_a_share_of_all():
    net, task = prepared()
    found = task.evaluate(net, digits.test().take(range(100)), ExecutionConfig()).evidence
    torch.testing.assert_close(found.received.sum(1), torch.ones(10).double())
    assert (found.received - 0.1).abs().max() < 0.05  # untrained: nearly alike
    assert found.own == pytest.approx(float(found.received.diagonal().mean()))


def test_a_routing_of_one_iteration_sends_alike():
    net, task = prepared(CHAIN.replace("capsules 10 4 8", "capsules 10 4 8 iterations=1"))
    found = task.evaluate(net, digits.test().take(range(30)), ExecutionConfig()).evidence
    present = ~found.received.isnan()
    torch.testing.assert_close(found.received[present], torch.full((int(present.sum()),), 0.1).double())


def test_the_report_shows_reconstructions_dimensions_and_routing():
    net, task = prepared()
    data = digits.test().take(range(30))
    tested = task.evaluate(net, data, ExecutionConfig())
    copies, changes, routing, table, classified = task.findings(net, data, tested)
    assert all(isinstance(each, ImageRows) for each in (copies, changes, routing))
    assert isinstance(table, NumberTable) and isinstance(classified, ClassifiedSamples)
    assert [len(each.rows) for each in (copies, changes, routing)] == [2, 8, 8]
    assert len(copies.heads) == 8
    with torch.no_grad():
        plain = net(data.images[:1].float() / 255)["image"].view(1, 28, 28)
    middle = len(CHANGES) // 2
    assert CHANGES[middle] == 0 and len(changes.heads) == len(CHANGES) == 11
    for row in changes.rows:
        torch.testing.assert_close(row[middle], plain)
        assert not torch.allclose(row[0], row[-1])
    for _, first, *rest in routing.rows:
        torch.testing.assert_close(first, torch.full((1, 28, 28), 0.5), atol=1e-3, rtol=0)
        assert len(rest) == 2 and all(0 <= float(each.min()) <= float(each.max()) <= 1 for each in rest)
    furthest = torch.stack([torch.stack(list(row[1:])) for row in routing.rows]).sub(0.5).abs().max()
    assert float(furthest) == pytest.approx(0.5)
    assert len(table.rows) == 10 and all(len(cells) == 10 for _, cells in table.rows)
    assert task.findings(net, data, learn.EvalResult({"loss": 1.0})) == ()


def test_a_chain_without_a_decoder_is_trained_too():
    net, task = prepared(CHAIN)
    assert net.output_spec.kind == "independent_probabilities"
    out = task.training_step(net, batch(), ExecutionConfig(), 0)
    assert float(out.sums[2]) == 0
    data = digits.test().take(range(20))
    tested = task.evaluate(net, data, ExecutionConfig())
    assert "reconstruction" not in tested.metrics
    assert [type(each) for each in task.findings(net, data, tested)] == [
        ImageRows,
        NumberTable,
        ClassifiedSamples,
    ]


def test_capsules_on_capsules_show_the_routing_to_the_classes():
    text = "conv 8 9x9 stride=2, squash 8, capsules 6 4 8, capsules 10 5 4, capsulelength 5"
    net, task = prepared(text)
    data = digits.test().take(range(20))
    tested = task.evaluate(net, data, ExecutionConfig())
    assert tested.evidence.received.shape == (10, 10)
    assert [type(each) for each in task.findings(net, data, tested)] == [NumberTable, ClassifiedSamples]


def test_it_learns():
    recipe = CapsuleRecipe(network=CHAIN, samples=300, epochs=6, lr=0.005, **EXACT)
    setup = learn.setup_training(recipe)
    epochs = [
        event
        for event in learn.Trainer(setup.net, setup.train, setup.test.take(range(300)), recipe)
        if isinstance(event, learn.Epoch)
    ]
    assert epochs[-1].test_metrics["accuracy"] > 0.6
    assert epochs[-1].test_metrics["loss"] < epochs[0].test_metrics["loss"] / 1.5


def test_classes_of_different_sizes_have_a_balanced_accuracy():
    labels = digits.train().labels
    data = digits.train().take(torch.cat([(labels == 0).nonzero()[:40, 0], (labels == 1).nonzero()[:5, 0]]))
    task = CapsuleClassification()
    net = task.prepare(nets.load("capsnet-small", seed=0), data, None)
    found = task.evaluate(net, data, ExecutionConfig())
    assert found.metrics["balanced_accuracy"] == found.evidence.evaluation.balanced_accuracy


def test_other_networks_are_refused():
    with pytest.raises(UsageError, match="capsulelength"):
        CapsuleClassification().prepare(nets.load("lecture"), digits.train(), None)


def test_the_mask_is_put_back_after_an_error():
    net, task = prepared()
    bad = Batch((torch.rand(2, 1, 28, 28),), torch.tensor([1, 99]))
    with pytest.raises((IndexError, UsageError, RuntimeError)):
        task.training_step(net, bad, ExecutionConfig(), 0)
    mask = next(m for m in net.module.modules() if isinstance(m, CapsuleMask))
    assert not mask._forward_hooks


def test_the_task_is_rebuilt_from_its_settings():
    task = CapsuleClassification(0.01)
    recipe, again = learn.tasks.registry.resolve_task(CapsuleRecipe(), task)
    assert again is task and recipe.reconstruction == 0.01
    assert CapsuleClassification.from_recipe(recipe).settings() == task.settings()
