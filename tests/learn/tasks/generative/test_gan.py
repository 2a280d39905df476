"""Generative adversarial networks: the losses, and what is measured of what they generate."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from torch.nn import functional

from convscope import learn, nets, worlds
from convscope.errors import UsageError
from convscope.graph.spec import TensorSpec
from convscope.learn import (
    AdversarialImages,
    AdversarialRing,
    AdversarialTraining,
    GANRecipe,
    ImageRows,
    NumberTable,
    Plot,
)
from convscope.learn.tasks.generative import gan_images
from convscope.learn.tasks.generative.adversarial import (
    CHANCE,
    discriminator_loss,
    generate,
    generator_loss,
)
from convscope.learn.tasks.generative.gan_images import classified, sphere_walks
from convscope.learn.tasks.generative.gan_ring import mode_shares
from convscope.learn.tasks.generative.measures import nearest, two_sample_accuracy
from convscope.nets import ExecutionConfig
from convscope.nets.modules.generative.gan import DCGAN, PointGAN
from convscope.worlds import Batch, digits, ring

SPEC = TensorSpec((1, 28, 28), kind="digit", mean=(0.5,), std=(0.5,))


def image_net():
    torch.manual_seed(0)
    return nets.wrap(DCGAN((1, 28, 28), 4, 8), SPEC, name="small")


def point_net(hidden=16):
    torch.manual_seed(0)
    return nets.wrap(PointGAN((2,), hidden, 4), ring.SPEC, name="points")


def test_the_losses_are_cross_entropies_and_the_generators_is_non_saturating():
    real, fake = torch.randn(7, 1).double() * 3, torch.randn(7, 1).double() * 3
    entropy = functional.binary_cross_entropy_with_logits
    expected = entropy(real, torch.ones_like(real)) + entropy(fake, torch.zeros_like(fake))
    torch.testing.assert_close(discriminator_loss(real, fake), expected)
    torch.testing.assert_close(generator_loss(fake), -fake.sigmoid().log().mean())
    none = torch.zeros(3, 1)
    assert float(discriminator_loss(none, none)) == pytest.approx(CHANCE)
    lost = torch.full((3, 1), -9.0, requires_grad=True)  # the discriminator is sure
    generator_loss(lost).backward()
    assert lost.grad.abs().sum() == pytest.approx(1, abs=1e-3)  # that of log(1 - D) would be 1e-4


def test_a_step_is_that_of_the_two_losses_on_normalised_samples():
    net, images = image_net(), digits.test().images[:6].float() / 255
    net.module.train()
    torch.manual_seed(4)
    first, second = list(AdversarialTraining().training_step(net, Batch((images,)), ExecutionConfig(), 0))
    torch.manual_seed(4)
    codes = torch.randn(6, 8)
    twin = image_net().module.train()
    made = twin.generator(codes).detach()
    expected = discriminator_loss(twin.discriminator(images * 2 - 1), twin.discriminator(made))
    torch.testing.assert_close(first.loss, expected)
    torch.testing.assert_close(second.loss, generator_loss(twin.discriminator(twin.generator(codes))))
    assert (first.optimizer, second.optimizer) == ("discriminator", "generator")
    assert first.sums.tolist() == pytest.approx([6 * expected.item(), 0])
    parts = AdversarialTraining().optimizers(net, None)
    assert sum(map(len, parts.values())) == len(list(net.module.parameters()))


def test_the_penalty_of_a_linear_discriminator_is_the_square_of_its_weights():
    net = point_net()
    linear = torch.nn.Linear(2, 1)
    net.module.discriminator = linear
    batch = Batch((torch.randn(9, 2).clamp(-3, 3),))

    def loss(r1):
        torch.manual_seed(1)
        return next(iter(AdversarialTraining(r1).training_step(net, batch, ExecutionConfig(), 0))).loss

    torch.testing.assert_close(loss(3.0) - loss(0.0), 1.5 * linear.weight.square().sum())
    loss(3.0).backward()
    assert linear.weight.grad is not None
    assert AdversarialTraining(0.5).settings() == {"r1": 0.5}
    assert AdversarialTraining.from_recipe(GANRecipe(r1=0.5)).r1 == 0.5


def test_nearest_points_are_those_of_a_tree(monkeypatch):
    monkeypatch.setattr("convscope.learn.tasks.generative.measures.CHUNK", 7)
    points, others = torch.randn(20, 3).double(), torch.randn(30, 3).double()
    expected = cKDTree(others.numpy()).query(points.numpy())
    distances, indices = nearest(points, others)
    np.testing.assert_allclose(distances.numpy(), expected[0])
    assert indices.tolist() == expected[1].tolist()
    second = cKDTree(others.numpy()).query(others.numpy(), 2)  # the first is the point itself
    assert nearest(others, others, apart=True)[1].tolist() == second[1][:, 1].tolist()


def test_the_two_sample_test_is_a_half_for_the_same_distribution_and_one_apart():
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 1500, 2, generator=generator)
    assert sum(two_sample_accuracy(first, second)) / 2 == pytest.approx(0.5, abs=0.04)
    assert two_sample_accuracy(first, second + 100) == (1.0, 1.0)
    assert two_sample_accuracy(first, first + 1e-4) == (0.0, 0.0)  # copies
    narrow = two_sample_accuracy(first, second * 0.1)  # a lost mode: generated points lie among themselves
    assert narrow[1] > 0.8
    with pytest.raises(ValueError, match="same size"):
        two_sample_accuracy(first, second[:5])


def test_walks_are_on_the_sphere_at_even_angles():
    codes = functional.normalize(torch.randn(4, 9).double(), dim=1)
    found = sphere_walks(codes, 5).view(2, 5, 9)
    torch.testing.assert_close(found[:, 0], codes[0::2])
    torch.testing.assert_close(found[:, -1], codes[1::2])
    torch.testing.assert_close(found.norm(dim=2), torch.ones(2, 5).double())
    angles = (found[:, :-1] * found[:, 1:]).sum(2).acos()
    torch.testing.assert_close(angles, angles[:, :1].expand(2, 4))


def test_classes_are_those_of_the_classifier():
    data = digits.test()
    found = classified(data.images[:500].float() / 255)
    labels = data.labels[:500].bincount(minlength=10) / 500
    assert found.shares == pytest.approx(labels.tolist(), abs=0.02)
    assert found.entropy == pytest.approx(math.log(10), abs=0.05) and found.confident > 0.9
    one = classified(data.images[data.labels == 3][:50].float() / 255)
    assert one.entropy < 0.3
    assert classified(torch.rand(2, 1, 8, 8)) is None


@pytest.fixture(scope="module")
def tested():
    net, task, data = image_net(), AdversarialImages(), digits.test().take(range(40))
    net.module.eval()
    net = task.prepare(net, digits.train().take(range(300)), None)
    return net, task, data, task.evaluate(net, data, ExecutionConfig())


def test_generated_images_are_in_the_range_and_measured_alike_each_time(tested):
    net, task, data, found = tested
    with torch.no_grad():
        made = generate(net, torch.randn(3, 8) * 9)
    assert made.shape == (3, 1, 28, 28) and 0 <= float(made.min()) <= float(made.max()) <= 1
    again = task.evaluate(net, data, ExecutionConfig())
    assert again.metrics == found.metrics
    assert found.metrics["nearest_accuracy"] == 1  # grey noise
    assert found.to_json()["classes"]["entropy"] <= math.log(10)
    assert found.evidence.count == 40
    train = (digits.train().images[:300].float() / 255).flatten(1).numpy()
    far = cKDTree(train).query((data.images.float() / 255).flatten(1).numpy())[0]
    assert found.evidence.test_distance == pytest.approx(np.sort(far)[19], rel=1e-4)
    assert not net.module.training  # as it was


def test_a_generator_of_copies_is_exposed(tested, monkeypatch):
    net, task, data, _ = tested
    train = digits.train().images[:40].float() / 255
    monkeypatch.setattr(gan_images, "_generated", lambda net, count, generator: train[:count])
    found = task.evaluate(net, data, ExecutionConfig())
    assert found.evidence.copied == 1 and found.evidence.distance == 0


def test_the_report_shows_the_nearest_training_image_beside_each(tested):
    net, task, data, found = tested
    pairs, walks, table, classes = task.findings(net, data, found)
    assert isinstance(pairs, ImageRows) and isinstance(walks, ImageRows)
    assert isinstance(table, NumberTable) and len(classes.rows) == 10
    train = (digits.train().images[:300].float() / 255).flatten(1)
    tree = cKDTree(train.numpy())
    for row in pairs.rows[:3]:
        assert len(row) == len(pairs.heads)
        for made, near in zip(row[::2], row[1::2], strict=True):
            index = tree.query(made.flatten().numpy())[1]
            torch.testing.assert_close(near.flatten(), train[index])
    assert all(len(row) == len(walks.heads) == 8 for row in walks.rows)
    assert task.findings(net, data, learn.EvalResult({"generator": 1.0})) == ()


def test_the_ring_has_equal_narrow_modes_and_two_independent_parts():
    train, test = worlds.open("ring"), worlds.open("ring", "test")
    assert (len(train), len(test), train.specs[0].shape) == (8000, 2000, (2,))
    assert not torch.equal(train.points[:2000], test.points)
    assert torch.equal(train.points, ring.train().points)
    distances, modes = torch.cdist(train.points, ring.centres()).min(1)
    counts = modes.bincount(minlength=8)
    assert ((counts - 1000).abs() < 5 * math.sqrt(1000)).all()
    assert float(distances.square().mean()) == pytest.approx(2 * ring.SIGMA**2, rel=0.05)
    assert torch.allclose(ring.centres().norm(dim=1), torch.full((8,), 2.0))
    with pytest.raises(UsageError):
        worlds.open("ring", "validation")


def test_modes_are_counted():
    shares = mode_shares(ring.test().points)
    assert sum(shares) == pytest.approx(1 - math.exp(-4.5), abs=0.01)
    apart = torch.tensor([[2.0, 0.0], [2.0, 0.059], [2.0, 0.061], [0.0, 0.0]])
    assert mode_shares(apart) == (0.5, *[0.0] * 7)


def test_a_test_on_the_ring_counts_and_plots():
    net, task, data = point_net(), AdversarialRing(), ring.test()
    net = task.prepare(net, data, None)
    with torch.no_grad():  # a collapsed generator
        net.module.generator[-1].weight.zero_()
        net.module.generator[-1].bias.copy_(ring.centres()[2])
    found = task.evaluate(net, data, ExecutionConfig())
    assert (found.metrics["modes"], found.metrics["quality"]) == (1, 1)
    plot, table = task.findings(net, data, found)
    assert isinstance(plot, Plot) and table.rows[2][1][0] == "100.0%" and table.rows[0][1][0] == "0.0%"
    assert torch.allclose(plot.series[0].points, ring.centres()[2].expand(1500, 2), atol=1e-6)


def test_other_networks_and_data_are_refused():
    with pytest.raises(UsageError, match="adversarial"):
        AdversarialImages().prepare(nets.load("lecture"), digits.train(), None)
    with pytest.raises(UsageError, match="images"):
        AdversarialImages().prepare(point_net(), digits.train(), None)
    with pytest.raises(UsageError, match="ring"):
        AdversarialRing().prepare(point_net(), digits.train(), None)
    for arguments in (((1, 30, 28), 4, 8), ((1, 28), 4, 8), ((1, 28, 28), 0, 8), ((1, 28, 28), 2**20, 8)):
        with pytest.raises(ValueError):
            DCGAN(*arguments)
    for arguments in (((2, 2), 4, 8), ((2,), 0, 8), ((2,), 2**20, 8)):
        with pytest.raises(ValueError):
            PointGAN(*arguments)


@pytest.mark.parametrize("make", [image_net, point_net])
def test_both_halves_are_saved_and_opened(tmp_path, make):
    net = make()
    net.module.eval()
    nets.save(net, tmp_path / "saved")
    again = nets.load(str(tmp_path / "saved"))
    codes = net.module.codes(3, torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(generate(again, codes), generate(net, codes))
        assert torch.equal(again(again.example(2)), net(net.example(2)))
