"""Health of layers against NumPy's correlations and networks whose faults are planted."""

import numpy as np
import pytest
import torch
from torch import nn

from convscope.errors import UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets import wrap
from convscope.see import layer_health
from convscope.see.units.health import spread_positions
from convscope.worlds import ImageTensorDataset


def pictures(count, *shape):
    images = torch.randint(
        0, 256, (count, *shape), generator=torch.Generator().manual_seed(4), dtype=torch.uint8
    )
    return ImageTensorDataset(images, torch.zeros(count, dtype=torch.int64), ["one"])


def planted():
    """Unit 1 is unit 0 doubled, unit 2 never changes, unit 3 is unit 0 negated, unit 4 is its own."""
    module = nn.Sequential(nn.Conv2d(1, 5, 3), nn.Sigmoid())
    with torch.no_grad():
        weight, bias = module[0].weight, module[0].bias
        weight[1], weight[2], weight[3] = 2 * weight[0], 0, -weight[0]
        bias.copy_(torch.tensor([0.0, 300.0, 1.0, 0.0, -50.0]))
    return wrap(module, TensorSpec((1, 9, 11)))


def test_planted_faults_are_found():
    torch.manual_seed(2)
    conv, sigmoid = layer_health(planted(), pictures(30, 1, 9, 11), ["0", "1"])
    assert [(t.unit, t.earlier) for t in conv.redundant] == [(1, 0)]
    assert conv.redundant[0].correlation == pytest.approx(1)
    assert conv.dead == (2,) and 1 in conv.saturated and 4 in conv.saturated
    assert {1, 4} <= set(sigmoid.saturated) and 0 not in sigmoid.saturated
    assert conv.images == 30 and conv.units == 5 and sigmoid.inactive_share == 0


def test_correlations_are_numpys(digit_net):
    data = pictures(50, 1, 28, 28)
    acts = []
    handle = digit_net.module.conv1.register_forward_hook(lambda _m, _i, out: acts.append(out.clone()))
    with torch.no_grad():
        digit_net(data.images.float() / 255)
    handle.remove()
    values = spread_positions(acts[0]).double().numpy()
    assert values.shape == (50 * 16, 5)
    expected = np.corrcoef(values.T)
    digit_net.module.conv1.weight.data[4] = digit_net.module.conv1.weight.data[1] * 0.5
    (health,) = layer_health(digit_net, data, ["conv1"], batch=16)
    assert (4, 1) in [(t.unit, t.earlier) for t in health.redundant]
    pairs = {(i, j) for i in range(5) for j in range(i) if expected[i, j] > 0.95 and i != 4}
    assert {t.unit for t in health.redundant} - {4} == {i for i, _ in pairs}


def test_spread_positions_are_the_middles_of_equal_parts():
    act = torch.arange(8 * 2.0).view(1, 1, 8, 2)
    assert spread_positions(act)[:, 0].tolist() == [2.0, 3.0, 6.0, 7.0, 10.0, 11.0, 14.0, 15.0]
    assert spread_positions(torch.ones(3, 7)).shape == (3, 7)


def test_one_sample_cannot_be_compared(digit_net):
    with pytest.raises(UsageError, match="two samples"):
        layer_health(digit_net, pictures(1, 1, 28, 28))
