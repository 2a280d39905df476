"""Training on distorted images: what is redrawn and what is fixed, and what is said of the poses."""

import math
from dataclasses import replace

import pytest
import torch

from convscope import learn, nets
from convscope.errors import UsageError
from convscope.learn import ClassifiedSamples, DistortedRecipe, ImageRows, NumberTable, Plot
from convscope.learn.tasks.geometry.distorted import (
    DistortedClassification,
    SampledPoses,
    composed,
    correlation,
    inverted,
    poses_of,
)
from convscope.learn.tasks.geometry.hooks import collected, find_layer
from convscope.nets.inference.execution import ExecutionConfig
from convscope.nets.modules.classics.spatial_transformer import SpatialTransformer
from convscope.worlds import DistortedImages, digits

EXACT = {"precision": "fp32", "memory_format": "contiguous", "batch": 16}
IDENTITY = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])


def small(count: int = 48) -> learn.TrainingSetup:
    recipe = DistortedRecipe(samples=count, **EXACT)
    setup = learn.setup_training(recipe)
    setup.task.prepare(setup.net, setup.train, recipe)
    return replace(setup, test=setup.test.take(range(60)))


def poses(data: DistortedImages, theta: torch.Tensor) -> SampledPoses:
    logits = torch.eye(10)[data.labels]
    found = learn.tasks.evaluation.evaluate_logits(logits, data.labels, data.classes)
    return SampledPoses(found, theta, data.poses, (28, 28))


def test_the_training_is_redrawn_and_the_test_is_not():
    setup = small()
    recipe = DistortedRecipe(**EXACT)
    source = setup.task.make_batches(setup.net, setup.train, recipe)
    first, again, other = (list(source.batches(epoch, 0)) for epoch in (0, 0, 1))
    assert len(first) == source.steps == 3
    by_label = [torch.cat([batch.inputs[0] for batch in batches]) for batches in (first, again, other)]
    assert torch.equal(by_label[0], by_label[1])
    assert by_label[0].shape == (48, 1, 42, 42)
    orders = [source.order(epoch) for epoch in (0, 1)]
    images = [found[order.argsort()] for found, order in zip((by_label[0], by_label[2]), orders, strict=True)]
    same = [torch.equal(one, two) for one, two in zip(*images, strict=True)]
    assert not any(same)
    skipped = list(source.batches(0, 2))
    assert torch.equal(skipped[0].inputs[0], first[2].inputs[0])
    assert torch.equal(setup.test.pixels([5]), setup.test.pixels([5]))
    assert isinstance(setup.train, DistortedImages) and setup.fit.enlarged == 1


def test_plain_images_are_distorted_as_those_of_the_setup():
    setup = small()
    plain = digits.test().take(range(60))
    one, other = (setup.task.evaluate(setup.net, data, ExecutionConfig()) for data in (plain, setup.test))
    distorted = setup.task.distorted(plain)
    assert isinstance(distorted, DistortedImages) and setup.task.distorted(distorted) is distorted
    assert one.details["pictures"] == other.details["pictures"] == 60
    found = learn.evaluate(setup.net, setup.test)
    assert other.metrics["loss"] == pytest.approx(found.loss)
    assert other.evidence.evaluation.labels.tolist() == found.labels.tolist()


def test_a_transform_that_undoes_the_distortion_leaves_no_spread():
    data = DistortedImages(digits.test(), "rts").take(range(500))
    rows = poses(data, inverted(data.poses)).rows()
    assert set(rows) == {"angle", "size", "right", "down"}
    for before, after, alike in rows.values():
        assert before > 1 and after < 1e-3 and alike == pytest.approx(1, abs=1e-6)
    assert rows["angle"][0] == pytest.approx(90 / math.sqrt(12), rel=0.1)  # uniform from -45 to 45 degrees


def test_a_transform_that_does_nothing_changes_no_spread():
    data = DistortedImages(digits.test(), "rts").take(range(500))
    for before, after, alike in poses(data, IDENTITY.expand(500, -1, -1)).rows().values():
        assert after == pytest.approx(before) and alike == 0


def test_one_fixed_pose_is_as_good_as_another():
    """A classifier may want its digits on their heads: what counts is that they are all alike."""
    data = DistortedImages(digits.test(), "rts").take(range(300))
    turned = torch.tensor([[[-0.8, 0.0, 0.1], [0.0, -0.8, 0.0]]]).expand(300, -1, -1)
    rows = poses(data, composed(inverted(data.poses), turned)).rows()
    assert all(after < 1e-3 for _, after, _ in rows.values())


def test_a_rotation_alone_has_one_row():
    data = DistortedImages(digits.test(), "rotation").take(range(100))
    assert set(poses(data, inverted(data.poses)).rows()) == {"angle"}


def test_angles_sizes_and_offsets_are_read_from_a_matrix():
    angle = 0.3
    matrix = torch.tensor(
        [[[2 * math.cos(angle), -2 * math.sin(angle), 0.5], [2 * math.sin(angle), 2 * math.cos(angle), -1.0]]]
    )
    found = {name: float(value) for name, value in poses_of(matrix).items()}
    assert found == pytest.approx({"angle": 0.3, "size": math.log(2), "right": 0.5, "down": -1.0})
    torch.testing.assert_close(composed(matrix, inverted(matrix)), IDENTITY, atol=1e-6, rtol=0)
    assert correlation(torch.tensor([1.0, 2, 3]), torch.tensor([1.0, 1, 1])) == 0


def test_thetas_are_those_of_the_layer_and_the_hook_is_gone():
    net = nets.load("spatial-transformer", seed=0)
    layer = net.module.get_submodule("sampled")
    with torch.no_grad():
        layer.bias.copy_(torch.tensor([0.5, 0, 0.1, 0, 0.5, -0.2]))
    with collected(
        find_layer(net, SpatialTransformer), lambda layer, _, features: layer.theta(features)
    ) as found:
        net(torch.rand(3, 1, 42, 42))
        net(torch.rand(2, 1, 42, 42))
    assert [len(theta) for theta in found] == [3, 2]
    assert torch.equal(found[0][1].flatten(), layer.bias)
    net(torch.rand(2, 1, 42, 42))
    assert len(found) == 2 and not layer._forward_hooks
    plain = nets.load("distorted-digits-cnn")
    with collected(find_layer(plain, SpatialTransformer), lambda *_: 1) as none:
        plain(torch.rand(2, 1, 42, 42))
    assert none == []


def test_the_report_shows_where_it_looked():
    setup = small()
    with torch.no_grad():  # the left half, upright
        setup.net.module.get_submodule("sampled").bias.copy_(torch.tensor([0.5, 0, -0.5, 0, 1, 0]))
    tested = setup.task.evaluate(setup.net, setup.test, ExecutionConfig())
    regions, angles, table, classified = setup.task.findings(setup.net, setup.test, tested)
    assert isinstance(regions, ImageRows) and isinstance(classified, ClassifiedSamples)
    assert isinstance(angles, Plot) and isinstance(table, NumberTable)
    (inputs, sampled, original), (outline, *_) = regions.rows[0], regions.outlines[0]
    assert inputs.shape == (1, 42, 42) and sampled.shape == original.shape == (1, 28, 28)
    torch.testing.assert_close(outline[0], torch.tensor([0.5, 0.5]) / 42)  # centre of the first pixel
    torch.testing.assert_close(outline[2], torch.tensor([21.0, 41.5]) / 42)
    torch.testing.assert_close(sampled[0, 0, 0], inputs[0, 0, 0], atol=1e-5, rtol=0)
    (points,) = (one.points for one in angles.series)
    assert points.shape == (60, 2) and torch.allclose(points[:, 1], torch.zeros(()))
    assert tested.details["poses"]["angle"]["correlation"] == 0
    assert "angle" in tested.summary[-1]


def test_a_network_without_a_transformer_has_the_plain_report():
    setup = learn.setup_training(DistortedRecipe(network="distorted-digits-cnn", samples=32))
    setup.task.prepare(setup.net, setup.train, None)
    tested = setup.task.evaluate(setup.net, setup.test.take(range(20)), ExecutionConfig())
    found = setup.task.findings(setup.net, setup.test.take(range(20)), tested)
    assert [type(each) for each in found] == [ClassifiedSamples] and "poses" not in tested.details


def test_it_resumes_bit_for_bit():
    setup, recipe = small(), DistortedRecipe(epochs=2, **EXACT)
    whole = learn.Trainer(small().net, setup.train, None, recipe)
    list(whole)
    part = learn.Trainer(small().net, setup.train, None, recipe)
    events = iter(part)
    next(events)
    part.pause()
    list(events)
    rest = learn.Trainer(small().net, setup.train, None, recipe, state=part.state())
    list(rest)
    for name, weight in whole.net.module.state_dict().items():
        assert torch.equal(weight, rest.net.module.state_dict()[name]), name


def test_the_task_is_rebuilt_from_its_settings():
    task = DistortedClassification("rotation", 0.2)
    recipe, again = learn.tasks.registry.resolve_task(DistortedRecipe(), task)
    assert again is task and recipe.distortion == "rotation" and recipe.label_smoothing == 0.2
    assert DistortedClassification.from_recipe(recipe).settings() == task.settings()


def test_other_data_is_refused():
    task = DistortedClassification()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.rand(4, 1, 42, 42)))
    with pytest.raises(UsageError, match="labelled images"):
        task.make_batches(nets.load("spatial-transformer"), loader, DistortedRecipe())
    with pytest.raises(UsageError, match="rts"):
        DistortedClassification("tilt")
