"""A trained painter at work: parts that fit together, mixtures, regions, and what is refused."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from PIL import Image

from convscope import nets
from convscope.errors import DataError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets.inference.execution import ExecutionConfig
from convscope.nets.style.adain import AdaIN, statistics
from convscope.nets.style.bank import StyleBank, StyleBankConfig
from convscope.nets.style.johnson import Johnson, Size
from convscope.use.feed_forward import (
    Region,
    is_painting,
    mixture_of,
    paintings_of,
    region_of,
    regions_of,
    remark_on_weights,
    style_named,
    stylize,
)
from convscope.use.tiled import parts
from convscope.worlds.images import photos

EXACT = ExecutionConfig("fp32", "contiguous")
STYLES = ("great-wave", "scream", "starry-night")
SPEC = TensorSpec((3, 64, 64), mean=(0.5,), std=(0.25,))


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    module = StyleBank(StyleBankConfig(STYLES, width=4, before=1, after=1)).eval()
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    return nets.wrap(module, SPEC, name="painter")


def photo(width, height, seed=0):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 9, 9, generator=generator)
    pixels = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)[0]
    return photos.to_pil((pixels + 0.1 * torch.rand(3, height, width, generator=generator)).clamp(0, 1))


def differ(one, other):
    assert one.size == other.size
    return (photos.to_uint8(one).int() - photos.to_uint8(other).int()).abs()


@pytest.mark.parametrize(
    ("height", "width", "side", "margin"), [(100, 333, 64, 24), (64, 64, 64, 8), (7, 1, 64, 4)]
)
def test_parts_cover_everything_once(height, width, side, margin):
    count = torch.zeros(height, width, dtype=torch.int64)
    for part in parts(height, width, side, margin):
        (top, bottom), (left, right) = part.inner
        count[top:bottom, left:right] += 1
        assert top % 4 == left % 4 == part.outer[0][0] % 4 == part.outer[1][0] % 4 == 0
        assert part.outer[0][0] == max(0, top - margin)
        assert part.outer[1][1] == min(width, right + margin)
    assert bool((count == 1).all())


@pytest.mark.parametrize("palettes", [False, True])
@pytest.mark.parametrize("size", [(413, 250), (200, 611)])
def test_parts_fit_together(net, size, palettes, monkeypatch):
    """In parts of 64 pixels it is the same as in one piece, to the last bit of a byte."""
    picture = photo(*size)
    if palettes:
        net = nets.wrap(deepcopy(net.module), SPEC, name="painter")
        net.module.set_palette("scream", torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(2)))
    mask = photo(size[0] // 4, size[1] // 4, seed=4)
    for regions in ((), (Region(mask, "scream"),)):
        whole = stylize(net, picture, {"great-wave": 0.7, "scream": 0.3}, regions=regions, choice=EXACT)
        with monkeypatch.context() as patch:
            patch.setattr(StyleBank, "numbers_per_pixel", 50_000)
            small = stylize(
                net,
                picture,
                {"great-wave": 0.7, "scream": 0.3},
                regions=regions,
                memory="64MiB",
                choice=EXACT,
            )
        assert int(differ(whole, small).max()) <= 1
        assert float((differ(whole, small) > 0).float().mean()) < 1e-3


def test_instance_norm_is_held_over_parts(monkeypatch):
    """With statistics of the picture made smaller there are no seams; each part with its own is far off."""
    torch.manual_seed(1)
    net = nets.wrap(Johnson(Size("wave", width=4, blocks=1)).eval(), SPEC, name="johnson")
    picture = photo(500, 260)
    whole = stylize(net, picture, choice=EXACT)
    monkeypatch.setattr(Johnson, "numbers_per_pixel", 1500)
    small = stylize(net, picture, memory="64MiB", choice=EXACT)
    near = float(differ(whole, small).float().mean())
    monkeypatch.setattr("convscope.use.tiled._hold", lambda *_: None)
    own = float(differ(whole, stylize(net, picture, memory="64MiB", choice=EXACT)).float().mean())
    assert near < own / 2
    assert all(getattr(part, "held", None) is None for part in net.module.modules())


def test_a_mixture_lies_between(net):
    picture = photo(96, 64)
    ends = [stylize(net, picture, {name: 1.0}, choice=EXACT) for name in ("great-wave", "scream")]
    middle = stylize(net, picture, {"great-wave": 0.5, "scream": 0.5}, choice=EXACT)
    apart = float(differ(*ends).float().mean())
    assert all(0 < float(differ(end, middle).float().mean()) < apart for end in ends)


def test_regions_are_the_single_style_well_inside(net):
    picture, reach = photo(400, 48), net.module.halo
    mask = Image.new("L", picture.size)
    mask.paste(255, (200, 0, 400, 48))
    both = stylize(net, picture, {"scream": 1.0}, regions=[Region(mask, "great-wave")], choice=EXACT)
    for name, box in (("scream", (0, 0, 200 - reach, 48)), ("great-wave", (200 + reach, 0, 400, 48))):
        alone = stylize(net, picture, {name: 1.0}, choice=EXACT)
        assert int(differ(both.crop(box), alone.crop(box)).max()) <= 1
    plain = stylize(net, picture, {"scream": 1.0}, regions=[Region(mask, "photo")], choice=EXACT)
    none = stylize(net, picture, {"photo": 1.0}, choice=EXACT)
    assert int(differ(plain.crop((260, 0, 400, 48)), none.crop((260, 0, 400, 48))).max()) <= 1


def test_a_mask_of_another_aspect_is_refused_and_not_stretched(net):
    picture = photo(60, 40)
    for mask, hint in ((photo(40, 60), "Turn"), (photo(40, 40), "60x40")):
        with pytest.raises(DataError, match="a mask of the picture's proportions, 60 by 40") as refused:
            stylize(net, picture, {"scream": 1.0}, regions=[Region(mask, "great-wave")], choice=EXACT)
        assert hint in refused.value.hint and f"{mask.width} by {mask.height}" in refused.value.received
    near = photo(120, 81)  # 1.2%
    assert stylize(net, picture, {"scream": 1.0}, regions=[Region(near, "great-wave")], choice=EXACT)


def test_negative_weights_are_refused(net, any_style, tmp_path):
    for words in (["wave:-1"], ["wave:11"], ["wave:nan"], ["wave:1.5", "scream"]):
        with pytest.raises(UsageError, match=r"from 0 to 10|leave of 1"):
            mixture_of(words, STYLES)
    for words in (["a.png:-1"], ["a.png:1.5", "b.png"]):
        with pytest.raises(UsageError, match=r"from 0 to 10|leave of 1"):
            paintings_of(words)
    photo(90, 70).save(tmp_path / "a.png")
    for model, mixture in ((net, {"scream": -1.0}), (any_style, {str(tmp_path / "a.png"): -0.1})):
        with pytest.raises(UsageError, match="from 0 to 10"):
            stylize(model, photo(64, 64), mixture, choice=EXACT)
    assert mixture_of(["wave:1.6"], STYLES) == {"great-wave": 1.6}


def test_weights_far_beyond_what_was_learned_get_a_remark():
    assert remark_on_weights({"great-wave": 2.2}) is None
    assert remark_on_weights({"photo": 4.0}) is None
    remark = remark_on_weights({"great-wave": 2.0, "scream": 2.5})
    assert remark and "4.5" in remark["en"] and "4.5" in remark["zh"]


def test_words_become_mixtures():
    assert mixture_of(["wave:0.25", "starry"], STYLES) == {"great-wave": 0.25, "starry-night": 0.75}
    assert mixture_of(["scream", "wave"], STYLES) == {"scream": 0.5, "great-wave": 0.5}
    assert mixture_of(["photo:0.5", "scream:0.5"], STYLES) == {"photo": 0.5, "scream": 0.5}
    assert mixture_of([], STYLES) == {}
    for word in ("wave:much", "wave:nan", "wave:1e9", "wave:1:2", ":1", "x"):
        with pytest.raises(UsageError):
            mixture_of([word], STYLES)
    with pytest.raises(UsageError, match="twice"):
        mixture_of(["wave", "great-wave"], STYLES)


def test_names_are_found_or_the_nearest_are_told(tmp_path):
    assert style_named("night", STYLES) == "starry-night"
    with pytest.raises(UsageError, match="scream"):
        style_named("screem", STYLES)
    with pytest.raises(UsageError, match="There are: great-wave"):
        style_named("a", STYLES)
    Image.new("L", (9, 9)).save(tmp_path / "sky.png")
    assert region_of(f"{tmp_path}/sky.png:wave", STYLES).style == "great-wave"
    with pytest.raises(UsageError, match="FILE:NAME"):
        region_of("sky.png", STYLES)


def test_what_cannot_mix_says_so(net):
    one = nets.wrap(Johnson(Size("wave", width=4, blocks=0)).eval(), SPEC, name="johnson")
    with pytest.raises(UsageError, match="no StyleBank"):
        stylize(one, photo(32, 32), {"wave": 0.5}, choice=EXACT)
    with pytest.raises(UsageError, match="paints"):
        stylize(nets.load("lecture"), photo(32, 32))
    with pytest.raises(UsageError, match="scream"):
        stylize(net, photo(32, 32), {"scrym": 1.0}, choice=EXACT)


@pytest.fixture(scope="module")
def any_style():
    """An AdaIN network with the trained encoder and a fresh decoder."""
    module = AdaIN()
    trunk = nets.load("hed-vgg16").module.state_dict()
    module.encoder.load_state_dict({name: trunk[name] for name in module.encoder.state_dict()})
    return nets.wrap(module.eval(), nets.load("hed-vgg16").input_spec.resized(64, 64), name="adain")


def test_exchanged_statistics_are_the_paintings(any_style):
    """By hand with NumPy in double precision: means, and the whole covariances of features and of colours."""
    module, generator = any_style.module, torch.Generator().manual_seed(4)
    squares = [torch.rand(1, 3, 40, 48, generator=generator) ** power for power in (1, 3)]
    squares[1][:, 2] = 0.6 * squares[1][:, 0] + 0.1 * squares[1][:, 1]  # its colours vary together
    with torch.no_grad():
        features = [module.encode(*any_style.normalise(one)) for one in squares]
        changed = module.exchange(features[0], statistics(features[1]))
    content, style, got = (f[0].double().numpy().reshape(259, -1) for f in (*features, changed))
    for group, epsilon in ((slice(256), 0.01), (slice(256, None), 0.02)):
        one, other = (x[group] - x[group].mean(1, keepdims=True) for x in (content, style))
        matrix = transport(*(x @ x.T / x.shape[1] + epsilon * np.eye(len(x)) for x in (one, other)))
        wanted = matrix @ one + style[group].mean(1, keepdims=True)
        assert np.abs(got[group] - wanted).max() < 1e-3 * np.abs(wanted).max()
    assert np.abs(np.cov(style[256:]) - np.diag(style[256:].var(1))).max() > 0.03


def transport(before, after):
    """The matrix that gives points of one covariance another: the roots of both, by eigenvectors."""
    roots = []
    for covariance in (before, after):
        values, vectors = np.linalg.eigh(covariance)
        roots.append(vectors @ np.diag(np.sqrt(values)) @ vectors.T)
    return roots[1] @ np.linalg.inv(roots[0])


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_any_style_in_parts_is_as_in_one_piece(any_style, share, tmp_path, monkeypatch):
    """Patches that are as similar to rounding may be taken either way: this photograph has none."""
    painting = tmp_path / "painting.png"
    photo(90, 70, seed=5).save(painting)
    picture = photo(260, 190, seed=1)
    whole = stylize(any_style, picture, {str(painting): share}, choice=EXACT)
    monkeypatch.setattr(AdaIN, "numbers_per_pixel", 1700)
    small = stylize(any_style, picture, {str(painting): share}, memory="64MiB", choice=EXACT)
    assert int(differ(whole, small).max()) <= 1
    assert float((differ(whole, small) > 0).float().mean()) < 2e-3


@pytest.mark.parametrize(("share", "chroma"), [(0.0, 1.0), (0.4, 0.8), (1.0, 0.5), (1.6, 0.5)])
def test_the_more_it_paints_the_less_of_the_residuals_chroma_is_added(
    any_style, share, chroma, tmp_path, monkeypatch
):
    painting, asked, decode = tmp_path / "painting.png", [], AdaIN.decode
    photo(64, 64, seed=5).save(painting)
    stylize(any_style, photo(32, 32), {str(painting): share}, choice=EXACT)  # makes the copy that is kept
    monkeypatch.setattr(
        AdaIN, "decode", lambda self, maps, chroma: asked.append(chroma) or decode(self, maps, chroma)
    )
    stylize(any_style, photo(32, 32), {str(painting): share}, choice=EXACT)
    assert asked == [pytest.approx(chroma)]


def test_paintings_are_files_with_weights(any_style, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert paintings_of(["a.png:0.25", "b.png"]) == {"a.png": 0.25, "b.png": 0.75}
    (tmp_path / "c:1").touch()
    assert paintings_of(["c:1"]) == {"c:1": 1.0}
    with pytest.raises(UsageError, match="twice"):
        paintings_of(["a.png", "a.png:0.5"])
    with pytest.raises(UsageError, match="files of paintings"):
        stylize(any_style, photo(32, 32), choice=EXACT)
    with pytest.raises(DataError):
        stylize(any_style, photo(32, 32), {"nowhere.png": 1.0}, choice=EXACT)


def test_a_painting_is_large_enough_to_have_a_style(any_style, tmp_path):
    """A thread of pixels is refused, and what becomes one when it is made smaller stays wide enough."""
    picture = photo(32, 32)
    photo(1200, 12, seed=6).save(tmp_path / "thread.png")
    with pytest.raises(DataError, match="64 pixels"):
        stylize(any_style, picture, {str(tmp_path / "thread.png"): 1.0}, choice=EXACT)
    photo(9600, 64, seed=6).save(tmp_path / "long.png")
    assert stylize(any_style, picture, {str(tmp_path / "long.png"): 1.0}, choice=EXACT).size == (32, 32)


def test_photo_is_what_is_missing_from_the_paintings(any_style, tmp_path, monkeypatch):
    """By name it is the same as left out; no file is looked for."""
    monkeypatch.chdir(tmp_path)
    photo(90, 70, seed=5).save("painting.png")
    assert paintings_of(["photo:0.4", "painting.png"]) == {"photo": 0.4, "painting.png": 0.6}
    picture = photo(64, 48)
    named = stylize(any_style, picture, {"photo": 0.4, "painting.png": 0.6}, choice=EXACT)
    assert named.tobytes() == stylize(any_style, picture, {"painting.png": 0.6}, choice=EXACT).tobytes()
    whole = stylize(any_style, picture, {"painting.png": 1.0}, choice=EXACT)
    assert named.tobytes() != whole.tobytes()
    assert stylize(any_style, picture, {"photo": 1.0}, choice=EXACT).size == picture.size


def test_what_is_a_painting(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("scan.2024", "sea", "photo"):
        (tmp_path / name).touch()
    (tmp_path / "scream").mkdir()
    for word in ("a.png", "nowhere/b.jpg:0.5", "scan.2024", "scan.2024:0.5", "sea", "sea:0.1"):
        assert is_painting(word), word
    for word in ("wave", "wave:0.5", "photo", "photo:0.4", "scream", "", "a\0b", "x" * 5000):
        assert not is_painting(word), word
    for words in (["wave", "a.png"], ["a.png", "x" * 5000], ["a\0b"]):
        with pytest.raises(UsageError, match="do not mix"):
            paintings_of(words)


def test_masks_are_no_matter_of_paintings(any_style, tmp_path):
    """Said before the mask is opened or its style looked up."""
    for word in (f"{tmp_path}/nowhere.png:wave", "nothing"):
        with pytest.raises(UsageError, match="no regions"):
            regions_of(any_style, [word])
    assert regions_of(any_style, []) == []


def test_it_is_painted_in_the_colours_of_the_painting(net):
    """Once its palette is known: the mean is the painting's, and a palette that changed is used."""
    net, picture = nets.wrap(deepcopy(net.module), SPEC, name="painter"), photo(120, 90)
    choice = ExecutionConfig("fp32", "channels_last")  # by a copy, which is kept
    stylize(net, picture, {"scream": 1.0}, choice=choice)
    for name, tint in (("scream", 0.3), ("scream", 0.6), ("photo", None)):
        if tint is not None:
            noise = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(2))
            net.module.set_palette("scream", tint + 0.1 * noise)
        painted = photos.to_uint8(stylize(net, picture, {name: 1.0}, choice=choice)).float() / 255
        wanted = photos.to_uint8(picture).float().mean((1, 2)) / 255 if tint is None else tint + 0.05
        assert torch.allclose(painted.mean((1, 2)), torch.as_tensor(wanted), atol=0.03)


def test_weights_that_changed_are_used(net):
    """The copy that is kept for speed is made anew."""
    picture, last = photo(48, 40), net.module.decoder[-1].bias
    choice = ExecutionConfig("fp32", "channels_last")
    before = stylize(net, picture, choice=choice)
    assert stylize(net, picture, choice=choice).tobytes() == before.tobytes()
    with torch.no_grad():
        last.add_(0.5)
    try:
        assert stylize(net, picture, choice=choice).tobytes() != before.tobytes()
    finally:
        with torch.no_grad():
            last.sub_(0.5)
