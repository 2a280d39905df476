"""The checks against SciPy, closed forms, and explanations that are known to be right or wrong."""

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from tests.see.attribution.nets import convolutional, pictures, residual
from torch import nn

from convscope.errors import UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets import wrap
from convscope.see.attribution import heatmaps
from convscope.see.attribution.explanation import explain
from convscope.see.attribution.metrics.average_drop import average_drop
from convscope.see.attribution.metrics.deletion_insertion import curves
from convscope.see.attribution.metrics.pointing_game import pointing_game
from convscope.see.attribution.metrics.weight_randomization import layers_with_weights, randomized_weights
from convscope.see.attribution.target import make_task


class Patch(nn.Module):
    """Answers with the sharpness of the top left corner: values above the mean count."""

    def forward(self, x):
        return torch.stack([(x[:, 0, :4, :4] - 0.5).abs().sum((1, 2)), x.sum((1, 2, 3)) * 0], 1)


def checkers() -> torch.Tensor:
    at = torch.arange(16)
    return ((at[:, None] + at) % 2).float()[None, None]


def test_blurring_is_scipys():
    x = torch.rand(2, 3, 20, 26, dtype=torch.float64)
    sigma = heatmaps.BLUR * 20
    wanted = np.stack(
        [
            [ndimage.gaussian_filter(c, sigma, mode="nearest", radius=int(np.ceil(3 * sigma))) for c in image]
            for image in x.numpy()
        ]
    )
    assert np.allclose(heatmaps.blurred(x).numpy(), wanted, atol=1e-6)


def test_rank_correlation_is_scipys():
    chance = torch.Generator().manual_seed(0)
    a = torch.randint(0, 9, (200,), generator=chance).float()
    b = a * 0.3 + torch.rand(200, generator=chance)
    assert heatmaps.rank_correlation(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert heatmaps.rank_correlation(a, a * 0) == 0


def test_deletion_and_insertion_by_hand():
    net, image = wrap(Patch(), TensorSpec((1, 16, 16))), checkers()
    task = make_task(net, image, 0)
    right, wrong = torch.zeros(1, 16, 16), torch.zeros(1, 16, 16)
    right[:, :4, :4], wrong[:, 8:, 8:] = 1, 1
    good, bad = curves(task, [right])[0], curves(task, [wrong])[0]
    whole = float(net(image).softmax(1)[0, 0])
    blurred = float(net(heatmaps.blurred(image)).softmax(1)[0, 0])
    assert good.deletion[0] == pytest.approx(whole)
    assert good.deletion[1] == pytest.approx(blurred, abs=1e-4)  # a sixteenth of the positions: the corner
    assert good.insertion[1] == pytest.approx(whole, abs=1e-4)
    assert good.insertion[0] == good.deletion[-1]
    assert bad.deletion[1] == pytest.approx(whole, abs=1e-4)
    assert good.deletion_area < bad.deletion_area
    assert good.insertion_area > bad.insertion_area
    wanted = np.trapezoid(good.deletion, dx=1 / (len(good.deletion) - 1))
    assert good.deletion_area == pytest.approx(float(wanted))


def test_curves_of_a_unit_run_from_one_to_zero():
    net, images = residual(), pictures(residual())
    task = make_task(net, images, "two:3")
    for curve in curves(task, [torch.rand(2, 10, 9)]):
        assert curve.deletion[0] == pytest.approx(1)
        assert curve.deletion[-1] == pytest.approx(0, abs=1e-6)


def test_drop_by_hand():
    spec = TensorSpec((1, 2, 2), value_range=(0.0, 4.0))
    net = wrap(nn.Sequential(nn.Flatten(), nn.Linear(4, 1, bias=False)), spec)
    net.module[1].weight.data.fill_(1.0)
    image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    (found,) = average_drop(make_task(net, image, 0), [torch.tensor([[[0.0, -5.0], [1.0, 2.0]]])])
    assert found.drop == pytest.approx((10 - (3 * 0.5 + 4)) / 10)
    assert not found.increase


def test_pointing_by_hand():
    heat = torch.zeros(2, 100, 200)
    heat[0, 50, 20], heat[0, 10, 150] = 3.0, 1.0
    heat[1] = 1.0
    first, second = pointing_game(heat, [[(10, 40, 30, 60)], [(0, 0, 100, 50), (100, 50, 200, 100)]])
    assert first.hit
    assert first.inside == pytest.approx(0.75)
    assert first.area == pytest.approx(0.02)
    assert second.inside == pytest.approx(0.5)
    (far,) = pointing_game(heat[:1], [[(100, 0, 110, 10)]])
    assert not far.hit
    with pytest.raises(UsageError, match="boxes"):
        pointing_game(heat, [[(1, 2, 3)], []])


def test_forgetting_keeps_the_scale_and_gives_everything_back():
    net = residual()
    pointers = {k: v.data_ptr() for k, v in net.module.state_dict().items()}
    values = {k: v.clone() for k, v in net.module.state_dict().items()}
    layers = layers_with_weights(net, make_task(net, pictures(net), 0))
    assert [type(m).__name__ for m in layers] == [
        "Conv2d",
        "BatchNorm2d",
        "Conv2d",
        "BatchNorm2d",
        "Conv2d",
        "Linear",
    ]
    with pytest.raises(ZeroDivisionError), randomized_weights(layers):
        now = net.module.state_dict()
        assert not torch.allclose(now["head.weight"], values["head.weight"])
        assert float(now["one.weight"].std()) == pytest.approx(float(values["one.weight"].std()), rel=0.3)
        assert torch.equal(now["norm_one.bias"].sort().values, values["norm_one.bias"].sort().values)
        pairs = dict(
            zip(values["norm_one.bias"].tolist(), values["norm_one.running_var"].tolist(), strict=True)
        )
        shuffled = zip(now["norm_one.bias"].tolist(), now["norm_one.running_var"].tolist(), strict=True)
        assert all(pairs[bias] == variance for bias, variance in shuffled)
        raise ZeroDivisionError
    for key, value in net.module.state_dict().items():
        assert value.data_ptr() == pointers[key]
        assert torch.equal(value, values[key])


def test_what_ignores_the_weights_does_not_fade():
    class Edges(nn.Module):
        """An untrained head over fixed edges: the gradient depends on no weight."""

        def __init__(self):
            super().__init__()
            self.idle = nn.Linear(3, 2)

        def forward(self, x):
            tower = (x[..., 1:] - x[..., :-1]).square().sum((1, 2, 3))
            return torch.stack([tower, tower], 1) + 0 * self.idle(x.mean((2, 3)))

    net = wrap(Edges(), TensorSpec((3, 8, 9)))
    (found,) = explain(net, pictures(net, 1), "saliency", 0, checks=("randomisation",)).faithfulness
    assert not found.weight_randomization.fades
    assert found.weight_randomization.correlations[-1] == pytest.approx(1)
    (learned,) = explain(
        convolutional(), pictures(convolutional(), 1), "gradcam", 0, checks=("randomisation",)
    ).faithfulness
    assert len(learned.weight_randomization.correlations) >= 3


def test_boxes_add_the_pointing_game():
    net = wrap(Patch(), TensorSpec((1, 16, 16)))
    (found,) = explain(
        net, checkers(), "occlusion", 0, checks=(), window=4, fill="blur", boxes=[[(0, 0, 4, 4)]]
    ).faithfulness
    assert found.pointing_game.hit
    assert found.pointing_game.inside > 0.5
