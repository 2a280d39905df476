"""PixelCNN and PixelRNN: probabilities that sum to one, and no look-ahead."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import distributions, nn

from convscope import learn, nets
from convscope.errors import UsageError
from convscope.graph.spec import TensorSpec
from convscope.learn import ImageRows, NumberTable, PixelLikelihood
from convscope.learn.tasks.generative.binary import code_length
from convscope.nets import ExecutionConfig
from convscope.nets.modules.generative.autoregressive import MaskedConv2d
from convscope.nets.modules.generative.pixelcnn import PixelCNN
from convscope.nets.modules.generative.pixelrnn import DiagonalBiLSTM, PixelRNN, skew, unskew
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


def strong_rnn(shape=(1, 3, 3), hidden=4, layers=2) -> PixelRNN:
    """Weights large enough that every pixel depends on all before it."""
    torch.manual_seed(0)
    module = PixelRNN(shape, hidden, layers).double()
    with torch.no_grad():
        for weight in module.parameters():
            weight.mul_(3)
    return module


BOTH = pytest.mark.parametrize("make", [strong, strong_rnn])


@BOTH
def test_the_probabilities_of_all_images_sum_to_one(make):
    everything = torch.tensor(list(itertools.product((0.0, 1.0), repeat=9))).view(512, 1, 3, 3).double()
    module = make()
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


@pytest.mark.parametrize("pixel", range(0, 30, 3))
def test_a_pixel_of_the_rnn_depends_on_all_before_it_and_on_none_else(pixel):
    """No look-ahead, and no blind spot: exactly 0 from the pixel on, and never 0 before."""
    module = strong_rnn((1, 5, 6))
    x = torch.rand(1, 1, 5, 6).double().requires_grad_()
    module.last = nn.Conv2d(8, 1, 1).double()  # without ReLUs, which may hide a path
    module(x).flatten()[pixel].backward()
    assert (x.grad.flatten()[pixel:] == 0).all() and (x.grad.flatten()[:pixel] != 0).all()


def test_the_cnn_has_a_blind_spot_that_the_rnn_has_not():
    for module, seen in ((strong((1, 6, 16), layers=1), False), (strong_rnn((1, 6, 16), layers=1), True)):
        x = torch.rand(1, 1, 6, 16).double().requires_grad_()
        module(x)[0, 0, 5, 1].backward()
        assert bool(x.grad[0, 0, 4, 12:].abs().sum() > 0) == seen


def lstm_by_hand(layer: DiagonalBiLSTM, x: np.ndarray) -> np.ndarray:
    """Compute a Diagonal BiLSTM pixel by pixel: equation 3 of the paper, for one image `[c h w]`."""
    hidden, (_, height, width) = layer.hidden, x.shape
    result = np.zeros((hidden, height, width))
    for direction, step in enumerate((1, -1)):
        weight = layer.weight.detach().numpy()[direction]
        bias = layer.bias.detach().numpy()[direction, :, 0]
        states, cells = ({} for _ in range(2))
        for row in range(height):
            for column in range(width)[::step]:
                none = np.zeros(hidden)
                above, before = states.get((row - 1, column), none), states.get((row, column - step), none)
                sums = weight @ np.concatenate([above, before, x[:, row, column]]) + bias
                output, forget, enter = (
                    1 / (1 + np.exp(-sums[k * hidden : (k + 1) * hidden])) for k in range(3)
                )
                cell = forget * cells.get((row, column - step), none) + enter * np.tanh(sums[3 * hidden :])
                cells[row, column], states[row, column] = cell, output * np.tanh(cell)
        for (row, column), state in states.items():
            down = row + (step == -1)  # it has seen the rest of its row
            if down < height:
                result[:, down, column] += state
    return result


@pytest.mark.parametrize("size", [(4, 6), (6, 4), (1, 5), (5, 1)])
def test_the_diagonal_lstm_is_a_loop_over_pixels(size):
    torch.manual_seed(1)
    layer, x = DiagonalBiLSTM(3, 5).double(), torch.randn(2, 3, *size).double()
    with torch.no_grad():
        found = layer(x)
    for one, image in zip(found, x, strict=True):
        np.testing.assert_allclose(one.numpy(), lstm_by_hand(layer, image.numpy()), atol=1e-12)


def test_skewed_rows_are_shifted_and_come_back():
    x = torch.arange(1.0, 7).view(1, 1, 2, 3)
    assert skew(x)[0, 0].tolist() == [[1, 2, 3, 0], [0, 4, 5, 6]]
    assert torch.equal(unskew(skew(x)), x)


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


@BOTH
def test_samples_are_drawn_as_from_whole_passes(make):
    module = make((1, 12, 13), layers=1)
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
    assert make is strong_rnn or module.reach == 4 < 12  # less than the image: parts were cut out


@BOTH
def test_samples_have_the_frequencies_of_the_probabilities(make):
    module = make()
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
    monkeypatch.setattr("convscope.learn.tasks.generative.pixel_likelihood.DRAWN", 2)
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
        for kind in (PixelCNN, PixelRNN):
            with pytest.raises(ValueError):
                kind(*arguments)


@BOTH
def test_it_is_saved_and_opened(tmp_path, make):
    net = nets.wrap(make((1, 6, 6)).float(), TensorSpec((1, 6, 6)), name="small")
    nets.save(net, tmp_path / "saved")
    x = torch.rand(2, 1, 6, 6)
    assert torch.equal(nets.load(str(tmp_path / "saved"))(x), net.module.eval()(x))
