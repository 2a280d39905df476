"""Networks of one hidden layer: the interpolation against numpy, its error, and why a polynomial fails."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from convscope import nets, worlds
from convscope.errors import UsageError
from convscope.learn import Approximation, NumberTable, Plot, TaskRecipe, Trainer
from convscope.learn.tasks.approximation import best_polynomial_rms, knot_values, mean_ratio
from convscope.nets import ExecutionConfig
from convscope.nets.modules.shallow import OneHiddenLayer, OneHiddenLayers, Power
from convscope.worlds import Batch, digits, sine


def small(widths=(4, 8, 16), degree=3):
    torch.manual_seed(0)
    return nets.wrap(OneHiddenLayers(widths, degree), sine.SPEC, name="small")


@pytest.mark.parametrize("width", [1, 3, 16])
def test_the_construction_is_numpys_interpolation(width):
    values = torch.randn(width + 1, generator=torch.Generator().manual_seed(0))
    network = OneHiddenLayer(width, nn.ReLU())
    network.interpolate(values)
    x = torch.linspace(0, 1, 501)
    with torch.no_grad():
        found = network.double()(x[:, None].double())[:, 0]
    expected = np.interp(x.double(), np.linspace(0, 1, width + 1), values.double())
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-6)


def test_its_error_is_below_the_bound_and_falls_by_four():
    x = sine.test().points.double()
    errors = []
    for width in (16, 32, 64, 128, 256):
        network = OneHiddenLayer(width, nn.ReLU()).double()
        network.interpolate(sine.value(torch.arange(width + 1).double() / width))
        with torch.no_grad():
            errors.append(float((network(x) - sine.value(x)).abs().max()))
        assert errors[-1] <= 4 * math.pi**2 / (8 * width**2)
    ratios = [first / second for first, second in pairwise(errors)]
    assert ratios == pytest.approx([4] * 4, rel=0.03) and ratios[-1] == pytest.approx(4, rel=0.001)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_a_polynomial_network_is_a_polynomial_and_none_beats_the_best(degree):
    """However wide: its differences of one order more are 0."""
    torch.manual_seed(1)
    network = OneHiddenLayer(50, Power(degree)).double()
    with torch.no_grad():
        values = network(torch.linspace(0, 1, 40, dtype=torch.float64)[:, None])[:, 0]
    assert float(values.diff(degree).abs().max()) > 1e-8
    assert float(values.diff(degree + 1).abs().max()) < 1e-12
    x = sine.test().points
    best = best_polynomial_rms(x, sine.value(x), degree)
    hidden = Power(degree)(network.hidden(x.double())).detach()
    design = torch.cat([hidden, torch.ones_like(hidden[:, :1])], 1)
    target = sine.value(x.double())
    fitted = design @ torch.linalg.lstsq(design, target, driver="gelsd").solution  # the best output weights
    assert float((fitted - target).square().mean().sqrt()) == pytest.approx(best, rel=1e-5)
    vandermonde = np.vander(x[:, 0].double().numpy(), degree + 1)
    rest = np.linalg.lstsq(vandermonde, target[:, 0].numpy(), rcond=None)[1]
    assert best == pytest.approx(math.sqrt(rest[0] / len(x)), rel=1e-6)


def test_training_from_the_interpolation_improves_it_and_the_rest_is_measured():
    net, task, data = small((4, 8)), Approximation(), sine.train()
    recipe = TaskRecipe(
        task="approximation", epochs=4, batch=256, optimizer="adam", lr=2e-4, precision="fp32", device="cpu"
    )
    trainer = Trainer(net, data, sine.test(), recipe, task=task)
    fresh = task.evaluate(trainer.net, sine.test(), ExecutionConfig()).evidence
    assert fresh.trained == pytest.approx(fresh.constructed, rel=1e-6)
    x, y = sine.test().points, sine.test().targets

    def squares():
        with torch.no_grad():
            return (net(x) - y).double().square().mean(0)[:2]

    before = squares()
    assert fresh.bound == pytest.approx([4 * math.pi**2 / (8 * n * n) for n in (4, 8)])
    *_, last = trainer
    found = last.tested.evidence
    assert (squares() < before).all()
    assert all(error >= found.best_rms for error in (*found.polynomial, *found.polynomial_rms))
    with torch.no_grad():
        errors = (net(x).double() - y.double()).abs().max(0).values.tolist()
    assert [*found.trained, *found.random, *found.polynomial] == pytest.approx(errors)
    assert last.test_metrics["ratio"] == pytest.approx(errors[0] / errors[1])
    again = task.prepare(net, data, None)  # a trained network keeps its weights
    assert task.evaluate(again, sine.test(), ExecutionConfig()).evidence == found


def test_each_network_learns_for_itself():
    net, x = small((4, 8)), torch.rand(20, 1)
    batch = Batch((x,), sine.value(x))
    out = Approximation().training_step(net, batch, ExecutionConfig(), 0)
    alone = [
        (network(x) - sine.value(x)).square().mean()
        for group in (net.module.interpolating, net.module.random, net.module.polynomial)
        for network in group
    ]
    torch.testing.assert_close(out.loss, torch.stack(alone).sum())
    assert out.sums.item() == pytest.approx(20 * out.loss.item())


def test_the_report_plots_errors_and_functions():
    net, task = small(), Approximation()
    net = task.prepare(net, sine.train(), None)
    tested = task.evaluate(net, sine.test(), ExecutionConfig())
    errors, functions, table = task.findings(net, None, tested)
    assert isinstance(errors, Plot) and errors.logarithmic and isinstance(table, NumberTable)
    assert errors.series[0].points[:, 0].tolist() == [4, 8, 16]
    assert errors.series[0].points[:, 1].tolist() == pytest.approx(tested.evidence.constructed)
    assert [len(one.points) for one in functions.series] == [200] * 3
    assert table.rows[3][1][0] == "÷ 4.00"  # the bound's own factor
    assert mean_ratio((8.0, 2.0, 0.5)) == 4 and math.isnan(mean_ratio((1.0,)))


def test_the_data_are_places_between_and_exact_values():
    train, test = worlds.open("sine"), worlds.open("sine", "test")
    assert (len(train), len(test)) == (16385, 4096)
    assert not set(train.points[:, 0].tolist()) & set(test.points[:, 0].tolist())
    x = test.points.double().numpy()
    np.testing.assert_allclose(test.targets.numpy(), np.sin(2 * np.pi * x), atol=1e-6)
    assert knot_values(4).tolist() == pytest.approx([0, 1, 0, -1, 0], abs=1e-6)


def test_other_networks_and_data_are_refused(tmp_path):
    with pytest.raises(UsageError, match="hidden layer"):
        Approximation().prepare(nets.load("lecture"), sine.train(), None)
    with pytest.raises(UsageError, match="sine"):
        Approximation().prepare(small(), digits.train(), None)
    for arguments in (((), 3), ((0,), 3), ((4,), 17), ((2**20,), 2)):
        with pytest.raises(ValueError):
            OneHiddenLayers(*arguments)
    net, x = small(), torch.rand(3, 1)
    nets.save(net, tmp_path / "saved")
    assert torch.equal(nets.load(str(tmp_path / "saved"))(x), net(x))
