import pytest
import torch
from torch import nn
from torch.nn import functional

from convscope import nets, see
from convscope.errors import PlaceError, UsageError
from convscope.graph import TensorSpec

SPEC = TensorSpec((4, 9, 9), mean=(0.25,), std=(0.5,))
X = torch.rand(1, 4, 9, 9, generator=torch.Generator().manual_seed(0))


def net(*layers: nn.Module) -> nets.Net:
    torch.manual_seed(0)
    return nets.wrap(nn.Sequential(*layers).eval(), SPEC)


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3},
        {"kernel_size": (3, 2), "stride": 2, "padding": 1},
        {"kernel_size": 3, "dilation": 2, "padding": 2, "groups": 2},
        {"kernel_size": 3, "padding": "same", "groups": 4, "bias": False},
    ],
)
def test_a_convolution_is_the_sum_of_its_terms(options: dict[str, object]) -> None:
    conv = nn.Conv2d(4, 8, **options)  # type: ignore[arg-type]
    made = net(conv, nn.BatchNorm2d(8), nn.ReLU())
    ready = (X - 0.25) / 0.5
    with torch.no_grad():
        columns = functional.unfold(ready, conv.kernel_size, conv.dilation, _padding(conv), conv.stride)
        out = conv(ready)
    for place in ("0:5@1,2", "0:0@0,0", f"0:7@{out.shape[2] - 1},0"):
        terms = see.unit_terms(made, X, place)
        unit = nets.LayerAddress.parse(place)
        y, x = unit.position or (0, 0)
        group = slice(*terms.channels)
        wanted = columns[0, :, y * out.shape[3] + x].reshape(4, *conv.kernel_size)[group]
        torch.testing.assert_close(terms.window, wanted)
        assert terms.weights is not None
        torch.testing.assert_close(terms.weights, conv.weight[int(unit.unit or 0)].detach())
        assert terms.total + (terms.bias or 0) == pytest.approx(
            float(out[0, int(unit.unit or 0), y, x]), abs=1e-5
        )
        assert terms.value == pytest.approx(float(out[0, int(unit.unit or 0), y, x]), abs=1e-6)
        assert [after.kind for after in terms.following] == ["batchnorm2d", "relu"]
        assert terms.following[1].value == max(0.0, terms.following[0].value)
        assert terms.taps[1] == tuple(
            x * conv.stride[1] - _padding(conv)[1] + k * conv.dilation[1] for k in range(conv.kernel_size[1])
        )


def _padding(conv: nn.Conv2d) -> tuple[int, int]:
    return (1, 1) if conv.padding == "same" else conv.padding  # type: ignore[return-value]


def test_without_a_position_it_is_that_of_the_largest_value() -> None:
    made = net(nn.Conv2d(4, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.AvgPool2d(2))
    act = see.activations(made, X, ["0", "1", "2", "3"])
    for place in ("0:1", "1:1", "2:1", "3:1"):
        terms = see.unit_terms(made, X, place)
        assert terms.value == float(act[place[0]][0, 1].max())
    assert see.unit_terms(made, X, "0:1").following[0].layer == "1"


def test_poolings_activations_and_dense_layers() -> None:
    made = net(
        nn.Conv2d(4, 3, 3), nn.MaxPool2d(3, 2, 1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 2)
    )
    act = {name: value[0] for name, value in see.activations(made, X, ["0", "1", "2", "3", "4", "5"]).items()}
    pooled = see.unit_terms(made, X, "1:2@1,1")
    assert torch.equal(pooled.window, act["0"][2:3, 1:4, 1:4]) and pooled.weights is None
    assert float(pooled.window.max()) == pooled.value
    assert see.unit_terms(made, X, "1:2@0,0").taps == ((-1, 0, 1), (-1, 0, 1))
    assert float(see.unit_terms(made, X, "3:0@1,1").window.mean()) == pytest.approx(float(act["3"][0, 1, 1]))
    assert float(see.unit_terms(made, X, "2:1@0,1").window) == float(act["1"][1, 0, 1])
    dense = see.unit_terms(made, X, "5:1")
    assert torch.equal(dense.window, act["4"]) and dense.channels == (0, 12)
    assert dense.total + (dense.bias or 0) == pytest.approx(float(act["5"][1]), abs=1e-5)


def test_batch_normalisation_is_one_product_and_a_shift() -> None:
    made = net(nn.Conv2d(4, 3, 3), nn.BatchNorm2d(3), nn.ReLU())
    norm = made.module.get_submodule("1")
    assert isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None and norm.running_var is not None
    norm.running_mean.copy_(torch.tensor([0.1, -0.2, 0.3]))
    norm.running_var.copy_(torch.tensor([0.5, 2.0, 0.01]))
    act = see.activations(made, X, ["0", "1"])
    terms = see.unit_terms(made, X, "1:2@3,4")
    assert float(terms.window) == float(act["0"][0, 2, 3, 4]) and terms.channels == (2, 3)
    assert terms.total + (terms.bias or 0) == pytest.approx(float(act["1"][0, 2, 3, 4]), rel=1e-5)
    assert [after.kind for after in terms.following] == ["relu"]


def test_what_is_no_such_sum_is_refused() -> None:
    made = net(nn.Conv2d(4, 3, 3), nn.Softmax(1))
    assert see.unit_terms(made, X, "0:1@4,4").value
    with (
        nets.scaled_units(made, {"0:1": 2.0}),
        pytest.raises(UsageError, match="computed in each pass"),
    ):
        see.unit_terms(made, X, "0:1@4,4")
    with pytest.raises(UsageError, match="softmax"):
        see.unit_terms(made, X, "1:1")
    with pytest.raises(UsageError, match="a block"):
        see.unit_terms(net(nn.Conv2d(4, 3, 3, padding=1, padding_mode="reflect")), X, "0:1@0,0")
    with pytest.raises(PlaceError):
        see.unit_terms(made, X, "0:1@9,0")
    with pytest.raises(PlaceError, match="one unit"):
        see.unit_terms(made, X, "0")
    assert not any(module._forward_pre_hooks for module in made.module.modules())
