"""Multiply-accumulates: closed forms, the same network spelled out, and torch's own count."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from convscope.graph import TensorSpec
from convscope.graph.analysis.costs import costs, totals
from convscope.graph.document import from_json, to_json
from convscope.nets import describe, trace, wrap

T, E = 7, 12
"""Tokens and features of the examples."""


class On(nn.Module):
    """A function of tokens `[b t e]`, made from an input `[b e t]`."""

    def __init__(self, function, **parts: nn.Module) -> None:
        super().__init__()
        self.function, self.parts = function, nn.ModuleDict(parts)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x.transpose(1, 2), **self.parts)


def described(module: nn.Module):
    return describe(wrap(module.eval(), TensorSpec((E, T))))


def attention(fused: bool):
    def run(x: Tensor) -> Tensor:
        if fused:
            return F.scaled_dot_product_attention(x, x, x[..., :5])
        return torch.softmax(x @ x.transpose(1, 2) / E**0.5, -1) @ x[..., :5]

    return On(run)


def test_attention_fused_and_spelled_out() -> None:
    assert described(attention(True)).macs == described(attention(False)).macs == T * T * (E + 5)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("weights", [True, False])
def test_multi_head_attention(batch_first: bool, weights: bool) -> None:
    made = nn.MultiheadAttention(E, 3, batch_first=batch_first)

    def run(x: Tensor, m: nn.Module) -> Tensor:
        x = x if batch_first else x.transpose(0, 1)
        return m(x, x, x, need_weights=weights)[0]

    assert described(On(run, m=made)).macs == 4 * T * E * E + 2 * T * T * E


def test_an_encoder_of_a_transformer() -> None:
    layer = nn.TransformerEncoderLayer(E, 3, 20, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    one = 4 * T * E * E + 2 * T * T * E + 2 * T * E * 20
    assert described(On(lambda x, m: m(x), m=layer)).macs == one
    assert described(On(lambda x, m: m(x), m=encoder)).macs == 2 * one


RECURRENT = ((nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4))


@pytest.mark.parametrize(("kind", "gates"), RECURRENT)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("ways", [1, 2])
def test_recurrent_layers(kind: type[nn.Module], gates: int, layers: int, ways: int) -> None:
    made = kind(E, 8, layers, batch_first=True, bidirectional=ways == 2)
    wanted = sum(T * ways * gates * 8 * ((8 * ways if k else E) + 8) for k in range(layers))
    assert described(On(lambda x, m: m(x)[0], m=made)).macs == wanted


@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_a_projected_lstm() -> None:
    made = nn.LSTM(E, 8, batch_first=True, proj_size=3)
    assert described(On(lambda x, m: m(x)[0], m=made)).macs == T * (4 * 8 * (E + 3) + 8 * 3)


@pytest.mark.parametrize(("kind", "gates"), [(nn.RNNCell, 1), (nn.GRUCell, 3), (nn.LSTMCell, 4)])
def test_recurrent_cells(kind: type[nn.Module], gates: int) -> None:
    def run(x: Tensor, m: nn.Module) -> Tensor:
        out = m(x[:, 0])
        return out[0] if isinstance(out, tuple) else out

    assert described(On(run, m=kind(E, 8))).macs == gates * 8 * (E + 8)


def test_bilinear_as_spelled_out() -> None:
    made = nn.Bilinear(E, E, 5)
    spelled = On(lambda x, m: torch.einsum("bi,oij,bj->bo", x[:, 0], m.weight, x[:, 1]), m=made)
    fused = On(lambda x, m: m(x[:, 0], x[:, 1]), m=made)
    assert described(fused).macs == described(spelled).macs == 5 * E * E + 5 * E


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (lambda x: torch.einsum("bte,bse->bts", x, x), T * T * E),
        (lambda x: torch.bmm(x, x.transpose(1, 2)), T * T * E),
        (lambda x: torch.baddbmm(x[..., :T], x, x.transpose(1, 2)), T * T * E),
        (lambda x: torch.addmm(x[0, :, :T], x[0], x[0].t())[None], T * T * E),
        (lambda x: torch.tensordot(x, x[0], ([2], [1])), T * T * E),
        (lambda x: torch.mv(x[0], x[0, 0])[None], T * E),
        (lambda x: torch.dot(x[0, 0], x[0, 1])[None, None], E),
        (lambda x: torch.inner(x, x[0]), T * T * E),
        (lambda x: F.conv_transpose1d(x.transpose(1, 2), x.new_ones(E, 2, 3)), T * E * 2 * 3),
        (lambda x: F.fold(F.unfold(x[:, None], 3), (T, E), 3), 0),
        (lambda x: F.embedding_bag(x.argmax(2), x[0]), 0),
        (lambda x: F.avg_pool1d(F.layer_norm(x, (E,)), 2), 0),
        (lambda x: F.interpolate(x[:, None], scale_factor=2, mode="bilinear"), 0),
    ],
)
def test_functions(function, wanted: int) -> None:
    found = described(On(function))
    assert (found.macs, found.uncounted) == (wanted, ())


@torch.library.custom_op("convscope_tests::product", mutates_args=())
def product(x: Tensor) -> Tensor:
    """An operator that nobody but its author knows."""
    return x @ x.transpose(1, 2)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (product, "convscope_tests::product"),
        (lambda x: torch.cdist(x, x, p=1.0), "_cdist_forward"),
        (lambda x: torch.fft.rfft(x).abs(), "_fft_r2c"),
        (lambda x: torch.linalg.svdvals(x), "_linalg_svd"),
        (lambda x: F.grid_sample(x[:, None], x[:, None, :, :2], align_corners=False), "grid_sampler_2d"),
        (lambda x: (x[0].to_sparse() @ x[0].t())[None], "_sparse_mm"),
    ],
)
def test_what_is_not_counted_has_a_name_in_text_and_json(function, name: str) -> None:
    found = described(On(function))
    assert name in found.uncounted or any(name in n or n in name for n in found.uncounted), found.uncounted
    shown = found.uncounted[0]
    assert f"not counted: {shown}" in found.summary() and "not counted" in str(found).split("\n\n")[0]
    assert "not counted" in found._repr_html_()
    assert shown in found.to_json()["uncounted"]
    assert any(shown in layer["uncounted"] for layer in found.to_json()["layers"])
    again = from_json(to_json(found.graph))
    assert totals(costs(again)).uncounted == found.uncounted


def test_code_outside_torch_has_a_name() -> None:
    class Outside(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.from_numpy(x.numpy() @ x.numpy().swapaxes(1, 2))

    module = nn.Sequential(nn.Conv1d(E, 4, 3), Outside(), nn.ReLU())
    assert described(module).uncounted == ("code outside torch",)


def test_products_of_weights_alone_stand_aside() -> None:
    module = nn.utils.parametrizations.spectral_norm(nn.Conv1d(E, 4, 3))
    found = described(nn.Sequential(module, nn.ReLU()))
    assert found.macs == 4 * E * 3 * (T - 2)
    assert found.aside == found.to_json()["macs_of_weights_alone"] > 0


def test_macs_are_those_of_one_example() -> None:
    module = attention(True)
    one, four = (trace(module, torch.rand(b, E, T)) for b in (1, 4))
    assert totals(costs(one)).macs == totals(costs(four)).macs == T * T * (E + 5)


def test_as_torch_counts() -> None:
    def run(x: Tensor, a: nn.Module, b: nn.Module) -> Tensor:
        y = F.scaled_dot_product_attention(a(x), x, x)
        return torch.einsum("bte,fe->btf", b(y.transpose(1, 2)).transpose(1, 2), x[0, :, :6])

    module = On(run, a=nn.Linear(E, E), b=nn.Conv1d(E, 6, 3, groups=3)).eval()
    x = torch.rand(1, E, T)
    spelled = torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)
    with torch.no_grad(), FlopCounterMode(display=False) as counter, spelled:
        module(x)
    assert described(module).macs == counter.get_total_flops() // 2


@pytest.mark.exhaustive
def test_published_multiply_accumulates_of_a_vision_transformer() -> None:
    import torchvision

    module = torchvision.models.vit_b_16(weights=None).eval()
    assert describe(wrap(module, TensorSpec((3, 224, 224)))).macs == 17_563_828_224
