"""PixelCNN: probabilities that sum to one, and no look-ahead."""

import itertools
import math

import pytest
import torch
from torch import distributions

from convscope import learn, nets
from convscope.errors import UsageError
from convscope.graph.spec import TensorSpec
from convscope.learn import ImageRows, NumberTable, PixelLikelihood
from convscope.learn.tasks.generative.binary import code_length
from convscope.nets import ExecutionConfig
from convscope.nets.modules.generative.pixelcnn import MaskedConv2d, PixelCNN
from convscope.worlds import Batch
from convscope.worlds.datasets import digits


def strong(shape=(1, 3, 3), channels=6, layers=2) -> PixelCNN:
    """Weights large enough that every pixel depends on all that it can see."""
    torch.manual_seed(0)
    module = PixelCNN(shape, channels, layers).double()
    with torch.no_grad():
        for weight in module.parameters():
            weight.mul_(3)
    return module


def test_the_probabilities_of_all_images_sum_to_one():
    everything = torch.tensor(list(itertools.product((0.0, 1.0), repeat=9))).view(512, 1, 3, 3).double()
    module = strong()
    with torch.no_grad():
        logits = module(everything)
        chances = torch.exp(
            -torch.nn.functional.binary_cross_entropy_with_logits(logits, everything, reduction="none")
            .flatten(1)
            .sum(1)
        )
    assert chances.sum().item() == pytest.approx(1, abs=1e-12)
    assert chances.std() > chances.mean() / 10  # else it would be a trivial network


def test_one_look_ahead_breaks_the_sum():
    """So that the test above could fail: the first layer reads the pixel itself."""
    everything = torch.tensor(list(itertools.product((0.0, 1.0), repeat=9))).view(512, 1, 3, 3).double()
    module = strong()
    module.first.mask[3, 3] = 1
    torch.nn.init.constant_(module.first.weight[:, :, 3, 3], 1.0)
    with torch.no_grad():
        lengths = torch.nn.functional.binary_cross_entropy_with_logits(
            module(everything), everything, reduction="none"
        )
    assert abs(torch.exp(-lengths.flatten(1).sum(1)).sum().item() - 1) > 1e-3


@pytest.mark.parametrize("pixel", [0, 1, 7, 12, 17, 24])
def test_no_pixel_depends_on_itself_or_a_later_one(pixel):
    module = strong((1, 5, 5), layers=3)
    x = torch.rand(1, 1, 5, 5).double().requires_grad_()
    module(x).flatten()[pixel].backward()
    gradient = x.grad.flatten()
    assert (gradient[pixel:] == 0).all()
    above = (pixel // 5 - 1) * 5 + pixel % 5
    for before in ({pixel - 1} if pixel % 5 else set()) | ({above} if above >= 0 else set()):
        assert gradient[before] != 0


def test_masks_are_those_of_the_paper():
    assert MaskedConv2d(1, 1, 3, own=False).mask.tolist() == [[1, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert MaskedConv2d(1, 1, 3, own=True).mask.tolist() == [[1, 1, 1], [1, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
def test_missing_weights_stay_zero(kind):
    layer = MaskedConv2d(2, 3, 5, own=True)
    more = {"momentum": 0.9} if kind is torch.optim.SGD else {}
    optimizer = kind(layer.parameters(), lr=0.1, weight_decay=0.1, **more)
    before = layer.weight.detach().clone()
    for _ in range(4):
        optimizer.zero_grad()
        layer(torch.randn(2, 2, 6, 6)).square().sum().backward()
        optimizer.step()
    missing = (layer.mask == 0).expand_as(before)
    assert (layer.weight[missing] == 0).all() and (layer.weight != before)[~missing].all()


def test_samples_are_drawn_as_from_whole_passes():
    module = strong((1, 12, 13), layers=1)
    images = torch.randint(2, (3, 1, 12, 13)).double()
    with torch.no_grad():
        found = module.sample(images, torch.Generator().manual_seed(4), 5)
        expected, generator = images.clone(), torch.Generator().manual_seed(4)
        for row in range(5, 12):
            for column in range(13):
                chance = torch.sigmoid(module(expected))[:, 0, row, column]
                expected[:, 0, row, column] = torch.bernoulli(chance, generator=generator)
    assert torch.equal(found, expected)
    assert torch.equal(found[:, :, :5], images[:, :, :5])
    assert module.reach == 4 < 12  # less than the image, so that parts were cut out


def test_samples_have_the_frequencies_of_the_probabilities():
    module = strong()
    everything = torch.tensor(list(itertools.product((0.0, 1.0), repeat=9))).view(512, 1, 3, 3).double()
    with torch.no_grad():
        lengths = torch.nn.functional.binary_cross_entropy_with_logits(
            module(everything), everything, reduction="none"
        )
        chances = torch.exp(-lengths.flatten(1).sum(1))
        drawn = module.sample(torch.zeros(20_000, 1, 3, 3).double(), torch.Generator().manual_seed(0))
    index = (drawn.flatten(1) * 2 ** torch.arange(8, -1, -1)).sum(1).long()
    counts = index.bincount(minlength=512)
    expected = chances * 20_000
    often = expected > 5
    statistic = float(((counts - expected)[often].square() / expected[often]).sum())
    freedom = int(often.sum()) - 1
    assert statistic < freedom + 5 * math.sqrt(2 * freedom)  # chi-squared, five standard deviations


@pytest.fixture(scope="module")
def tested():
    torch.manual_seed(0)
    net = nets.wrap(PixelCNN((1, 28, 28), 4, 1), TensorSpec((1, 28, 28)), name="small")
    task, data = PixelLikelihood(), digits.test().take(range(30))
    net = task.prepare(net, digits.train().take(range(200)), None)
    return net, task, data, task.evaluate(net, data, ExecutionConfig())


def test_nats_are_summed_over_pixels_and_independent_pixels_are_the_baseline(tested):
    net, task, data, found = tested
    grey = data.images.float() / 255
    binary = torch.bernoulli(grey, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = -distributions.Bernoulli(logits=net.module(binary)).log_prob(binary).flatten(1).sum(1)
    assert found.metrics["loss"] == pytest.approx(float(expected.mean()), rel=1e-5)
    means = ((digits.train().images[:200].double() / 255).sum(0) + 1) / 202
    apart = -distributions.Bernoulli(probs=means).log_prob(binary.double()).flatten(1).sum(1).mean()
    assert found.evidence.independent == pytest.approx(float(apart), rel=1e-5)
    assert found.evidence.bits == pytest.approx(found.metrics["loss"] / math.log(2) / 784)
    assert found.metrics == task.evaluate(net, data, ExecutionConfig()).metrics


def test_a_step_is_of_binary_images(tested):
    net, task, data, _ = tested
    grey = data.images.float() / 255
    torch.manual_seed(2)
    out = task.training_step(net, Batch((grey,)), ExecutionConfig(), 0)
    torch.manual_seed(2)
    binary = torch.bernoulli(grey)
    torch.testing.assert_close(out.loss, code_length(net.module(binary), binary).mean())


def test_the_report_gets_samples_and_completions(tested, monkeypatch):
    net, task, data, found = tested
    monkeypatch.setattr("convscope.learn.tasks.generative.pixelcnn.DRAWN", 2)
    samples, halves, table = task.findings(net, data, found)
    assert isinstance(samples, ImageRows) and isinstance(table, NumberTable)
    above, first, second, images = halves.rows
    for column in range(2):
        kept = images[column][:, :14]
        assert all(torch.equal(row[column][:, :14], kept) for row in (above, first, second))
        assert not torch.equal(first[column], second[column])
    assert {value for row in halves.rows for one in row for value in one.unique().tolist()} == {0.0, 1.0}
    assert task.findings(net, data, learn.EvalResult({"loss": 1.0})) == ()


def test_other_networks_and_sizes_are_refused():
    with pytest.raises(UsageError, match="PixelCNN"):
        PixelLikelihood().prepare(nets.load("lecture"), digits.train(), None)
    for arguments in (((3, 8, 8), 4, 1), ((1, 8, 8), 0, 1), ((1, 8, 8), 2**20, 1)):
        with pytest.raises(ValueError):
            PixelCNN(*arguments)


def test_it_is_saved_and_opened(tmp_path):
    net = nets.wrap(strong((1, 6, 6)).float(), TensorSpec((1, 6, 6)), name="small")
    nets.save(net, tmp_path / "saved")
    x = torch.rand(2, 1, 6, 6)
    assert torch.equal(nets.load(str(tmp_path / "saved"))(x), net.module.eval()(x))
