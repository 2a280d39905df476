"""Networks that paint: mixing is exact, parts fit together, and what is saved comes back."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional

from convscope import nets
from convscope.errors import DataError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets.style.adain import AdaIN, _whitened, statistics, style_of
from convscope.nets.style.bank import PLAIN, StyleBank, StyleBankConfig
from convscope.nets.style.johnson import Johnson, Size
from convscope.nets.style.style_swap import content_share, swap

SPEC = TensorSpec((3, 64, 64), mean=(0.5,), std=(0.25,))


def bank(styles=("wave", "scream", "night"), seed=0, **sizes):
    torch.manual_seed(seed)
    made = StyleBank(StyleBankConfig(styles, **{"width": 4, "before": 1, "after": 1, **sizes})).eval()
    with torch.no_grad():  # nothing is an identity by accident
        for weight in made.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return made


def any_style(blocks=2, seed=0):
    torch.manual_seed(seed)
    made = AdaIN(blocks).eval()
    with torch.no_grad():  # a residual block begins as the identity
        for weight in made.decoder.parameters():
            weight.add_(0.02 * torch.randn_like(weight))
    return made


def pictures(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("reach", [1, 3, 5])
@pytest.mark.parametrize("shares", [(0.3, 0.7, 0.0), (0.2, 0.3, 0.5), (0.25, 0.0, 0.25), (1.5, -0.5, 0.0)])
def test_fused_filters_are_fused_outputs(reach, shares):
    """In double precision, against each bank alone; what is missing from 1 is the identity."""
    made = bank(reach=reach).double()
    features = pictures(2, 16, 9, 11).double()
    wider = functional.pad(features, (reach // 2,) * 4, mode="reflect") if reach > 1 else features
    wanted = (1 - sum(shares)) * features
    for share, name in zip(shares, made.styles, strict=True):
        one = made.banks[name]
        wanted = wanted + share * functional.conv2d(wider, one.filters.weight, one.filters.bias)
        for texture in one.grain:
            rows, columns = np.arange(9) % texture.shape[1], np.arange(11) % texture.shape[2]
            wanted = wanted + share * torch.from_numpy(texture.detach().numpy()[:, rows][:, :, columns])
    mixed = made.filtered(features, torch.tensor([shares]).double())
    assert torch.allclose(mixed, wanted, atol=1e-6)
    assert not torch.allclose(mixed, features, atol=0.1)


def test_the_grain_goes_on_over_parts():
    """A flat picture in two parts is as in one: the grain of a part begins where the part lies."""
    made = bank()
    flat = torch.zeros(1, 3, 16, 400)
    whole = made(flat)
    right = made(flat[..., 160:], None, None, (0, 40))
    assert torch.allclose(whole[..., 160 + made.halo :], right[..., made.halo :], atol=1e-5)
    assert not torch.allclose(
        whole[..., 160 + made.halo :], made(flat[..., 160:])[..., made.halo :], atol=1e-2
    )


def test_the_grain_that_ships_has_no_long_waves():
    """They would cover clear skies with broad stripes."""
    for name, texture in nets.load("stylebank").module.named_parameters():
        if ".grain." in name:
            cycles = np.abs(np.fft.fftfreq(texture.shape[-1], 1 / texture.shape[-1]))
            length = np.hypot(cycles[:, None], cycles)
            power = (np.abs(np.fft.fft2(texture.detach().double().numpy())) ** 2).sum(0)
            long = (length > 0) & (length < 3)
            assert power[long].sum() < 1e-5 * power[length > 0].sum()


def test_every_picture_gets_its_own_row():
    made, images = bank(), pictures(2, 3, 24, 20)
    both = made(images, torch.tensor([[1.0, 0, 0], [0, 0.5, 0.5]]))
    for index, row in enumerate(([1.0, 0, 0], [0, 0.5, 0.5])):
        alone = made(images[index : index + 1], torch.tensor([row]))
        assert torch.allclose(both[index], alone[0], atol=1e-5)
    assert not torch.allclose(both[0], made.identity(images)[0], atol=1e-2)


def test_no_style_at_all_is_the_identity_branch():
    made, images = bank(), pictures(1, 3, 24, 24)
    assert torch.allclose(made(images, made.weights({})), made.identity(images), atol=1e-5)
    assert torch.equal(made(images, made.weights({PLAIN: 1.0})), made(images, made.weights({})))


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (8, 8), (17, 23), (64, 32)])
@pytest.mark.parametrize("kind", ["stylebank", "johnson"])
def test_any_size_comes_out_as_it_went_in(size, kind):
    made = bank() if kind == "stylebank" else Johnson(Size("wave", width=4, blocks=1))
    with torch.no_grad():
        painted = made(pictures(2, 3, *size))
    assert painted.shape == (2, 3, *size)
    assert bool(torch.isfinite(painted).all())


def test_a_pixel_sees_no_further_than_the_halo():
    """Gradients reach exactly as far as it says, rounded up to whole steps."""
    made = bank()
    images = pictures(1, 3, 160, 160).requires_grad_()
    painted = made(images)
    painted[0, :, 80:84, 80:84].sum().backward()
    rows = images.grad[0].abs().sum((0, 2)).nonzero().flatten()
    reached = max(80 - int(rows.min()), int(rows.max()) - 83)
    assert made.halo - 4 <= reached <= made.halo


def test_where_a_photograph_says_most_its_own_features_stay():
    """By position: colours, what weights leave, and `content_share` of the rest are the photograph's."""
    made = any_style()
    with torch.no_grad():
        features = made.encode(pictures(1, 3, 40, 32) * torch.linspace(0, 2, 32))
        styles = [
            (share, style_of(made.encode(pictures(1, 3, 48, 48, seed=k))))
            for k, share in ((2, 0.5), (3, 0.3))
        ]
        own = statistics(features)
        got = made.swap(features, styles, own)
        white = _whitened(features, own)
        kept, swapped = content_share(white), [swap(white, style.patches) for _, style in styles]
    assert torch.equal(got[:, -3:], features[:, -3:])
    for row, column in np.ndindex(10, 8):
        mine, stays = white[0, :, row, column], float(kept[0, 0, row, column])
        theirs = [stays * mine + (1 - stays) * one[0, :, row, column] for one in swapped]
        wanted = 0.2 * mine + 0.5 * theirs[0] + 0.3 * theirs[1]
        assert torch.allclose(got[0, :-3, row, column], wanted, atol=1e-4)


def test_of_the_residual_the_luminance_stays_and_a_share_of_the_chroma():
    """Pixel by pixel; colours of a flat picture are flat, so what differs from them is the residual."""
    made = any_style()
    features = torch.cat([pictures(1, 256, 6, 5), torch.zeros(1, 3, 6, 5)], 1)
    with torch.no_grad():
        whole, half = (made.decode(features, chroma)[0].double() - 0.45 for chroma in (1.0, 0.5))
        assert torch.equal(made.decode(features), made.decode(features, 1.0))
    for row, column in np.ndindex(24, 20):
        red, green, blue = whole[:, row, column].tolist()
        light = 0.299 * red + 0.587 * green + 0.114 * blue
        wanted = [light + 0.5 * (one - light) for one in (red, green, blue)]
        assert np.allclose(half[:, row, column], wanted, atol=1e-6)


@pytest.mark.parametrize("blocks", [0, 2])
def test_a_pixel_of_adain_sees_no_further_than_the_halo(blocks):
    """Measured while the statistics are given: otherwise each pixel sees the whole image."""
    made, images = any_style(blocks), pictures(1, 3, 192, 192)
    with torch.no_grad():
        given = style_of(made.encode(pictures(1, 3, 64, 64)))

        def middle(image):
            features = made.encode(image)
            swapped = made.swap(features, [(0.5, given)], given.statistics)
            return made.decode(made.exchange(swapped, given.statistics, given.statistics))[..., 96:100, :]

        before = middle(images)
        for away, reached in ((made.halo, False), (made.halo - 16, True)):
            others = images.clone()
            others[:, :, : 96 - away] = 1 - others[:, :, : 96 - away]
            others[:, :, 100 + away :] = 1 - others[:, :, 100 + away :]
            assert bool((middle(others) != before).any()) == reached


def test_regions_are_their_styles_well_inside():
    made, images = bank(), pictures(1, 3, 40, 320)
    shares = torch.zeros(1, 3, 40, 320)
    shares[:, 0, :, :160] = 1
    shares[:, 1, :, 160:] = 1
    divided = made(images, None, shares)
    for index, columns in enumerate((slice(0, 160 - made.halo), slice(160 + made.halo, 320))):
        alone = made(images, torch.eye(3)[index : index + 1])
        assert torch.allclose(divided[..., columns], alone[..., columns], atol=1e-5)
    assert not torch.allclose(divided, made(images, torch.eye(3)[:1]), atol=1e-2)


def test_one_more_style_leaves_all_others_bit_identical():
    made = bank()
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    grown = made.with_style("hat")
    assert grown.styles == (*made.styles, "hat")
    after = grown.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    mean = torch.stack([made.banks[name].filters.weight for name in made.styles]).mean(0)
    assert torch.allclose(grown.banks["hat"].filters.weight, mean)
    images = pictures(1, 3, 16, 16)
    for name in made.styles:
        assert torch.equal(made(images, made.weights({name: 1.0})), grown(images, grown.weights({name: 1.0})))


@pytest.mark.parametrize("names", [("A",), ("a b",), ("photo",), ("wave", "wave"), (), ("x" * 41,), ("a.b",)])
def test_names_that_cannot_be(names):
    with pytest.raises(UsageError):
        StyleBankConfig(names)


def test_an_unknown_style_names_the_nearest():
    with pytest.raises(UsageError, match="scream"):
        bank().weights({"screm": 1.0})


@pytest.mark.parametrize("make", [bank, any_style, lambda: Johnson(Size("wave", width=4, blocks=2)).eval()])
def test_what_is_saved_comes_back(make, tmp_path):
    net = nets.wrap(make(), SPEC, name="painter")
    nets.save(net, tmp_path / "net")
    again = nets.load(tmp_path / "net")
    images = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(3))
    assert type(again.module) is type(net.module)
    assert again.module.options == net.module.options
    with torch.no_grad():
        assert torch.equal(net(images), again(images))


def test_an_adain_network_saved_without_residual_blocks_comes_back(tmp_path):
    nets.save(nets.wrap(any_style(0), SPEC), tmp_path)
    path = tmp_path / "model.json"
    written = json.loads(path.read_text())
    path.write_text(json.dumps({**written, "module": {"kind": "adain", "options": {}}}))
    assert nets.load(tmp_path).module.blocks == 0


@pytest.mark.parametrize(
    "damage",
    [
        {"kind": "adain", "options": {"blocks": 10**6}},
        {"kind": "adain", "options": {"blocks": -1}},
        {"kind": "adain", "options": {"blocks": "x"}},
        {"kind": "os.system", "options": {}},
        {"kind": "stylebank", "options": {"styles": ["wave"], "width": 128}},
        {"kind": "stylebank", "options": {"styles": ["wave"], "width": "x"}},
        {"kind": "stylebank"},
        [],
        7,
        {"kind": "stylebank", "options": {"styles": ["wave"], "walls": 3}},
    ],
)
def test_a_damaged_description_is_told(damage, tmp_path):
    nets.save(nets.wrap(bank(), SPEC), tmp_path)
    path = tmp_path / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "module": damage}))
    with pytest.raises(DataError):
        nets.load(tmp_path)
