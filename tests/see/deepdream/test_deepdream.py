"""DeepDream: its parts against closed forms, the whole against what a dream has to be."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from convscope.errors import DataError, PlaceError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets import LayerAddress, Net, load, wrap
from convscope.nets.inference.autotune import Trial
from convscope.see import ImageParameterization, OptimizerConfig, dream, iter_dream, layer, optimize_input
from convscope.see.deepdream import pyramid
from convscope.see.deepdream.objectives import GuidedMatch, default_layer
from convscope.see.deepdream.recipe import DreamRecipe
from convscope.see.features.recording import record_float32
from convscope.see.optimize.objectives.objective import Objective
from convscope.see.optimize.tiling.geometry import TileConfig

DIGITS = {"layer": ["relu2"], "net": "digits", "photo": ""}


@pytest.fixture(scope="module")
def net() -> Net:
    return load("digits")


def photo(height: int = 60, width: int = 84, channels: int = 1) -> Tensor:
    chance = torch.Generator().manual_seed(4)
    coarse = torch.rand(1, channels, 6, 8, generator=chance)
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")[0].clamp(0, 1)


def test_the_gradient_of_energy_is_the_activation_and_steps_are_even(net: Net) -> None:
    """Positives grow and negatives shrink; the mean change of a pixel is the rate."""
    start = photo()[None]
    canvas = ImageParameterization((start.clone().requires_grad_(),), lambda x: x)
    here, _ = optimize_input(
        net, layer("conv2"), canvas, steps=1, config=OptimizerConfig(lr=0.01, optimizer="mean_abs_sgd")
    )
    change = canvas.parameters[0].detach() - start
    torch.testing.assert_close(change.abs().mean(), torch.tensor(0.01), rtol=1e-4, atol=0)
    watched = start.clone().requires_grad_()
    act = record_float32(net, watched, [LayerAddress("conv2")])[LayerAddress("conv2")]
    (expected,) = torch.autograd.grad(act, watched, act.detach())
    torch.testing.assert_close(change / change.norm(), expected / expected.norm(), rtol=0, atol=1e-5)
    torch.testing.assert_close(here.scores[0], 0.5 * act.detach().square().sum())


@pytest.mark.parametrize(
    "extra", [{}, {"seamless": True, "jitter": 32}, {"layer": ["conv2:3"]}, {"layer": ["conv1", "relu2"]}]
)
def test_a_dream_raises_the_objective_at_each_octave(net: Net, extra: dict) -> None:
    made = dream(net, photo(), **{"layer": ["relu2"], "jitter": 4, "steps": 6, "octaves": 3, **extra})
    assert made.image.shape == made.original.shape == (1, 60, 84)
    assert [octave.size for octave in made.octaves] == [(31, 43), (43, 60), (60, 84)]
    assert all(octave.after > octave.before and octave.exact for octave in made.octaves)
    assert float(made.image.min()) >= 0 and float(made.image.max()) <= 1


def test_what_shrinking_loses_is_put_back(net: Net) -> None:
    """With no steps nothing may change, however small the octaves were; and a dream keeps fine detail."""
    fine = (torch.arange(60)[:, None] + torch.arange(84)) % 2 * 0.2 + 0.4
    torch.testing.assert_close(dream(net, fine[None], steps=0, layer=["relu2"]).image, fine[None])
    made = dream(net, fine[None], "relu2", steps=2, octaves=3, jitter=4, lr=1.0)
    assert float((made.image - fine).abs().max()) > 0.01
    assert float(torch.corrcoef(torch.stack([made.image.flatten(), fine.flatten()]))[0, 1]) > 0.8


def test_the_same_recipe_makes_the_same_picture(net: Net) -> None:
    one, other, else_ = (
        dream(net, photo(), "relu2", steps=3, octaves=2, jitter=8, seed=seed).image for seed in (1, 1, 2)
    )
    assert torch.equal(one, other) and not torch.equal(one, else_)


def test_a_mask_limits_where(net: Net) -> None:
    mask = torch.zeros(30, 42)
    mask[:, 21:] = 1
    made = dream(net, photo(), "relu2", mask=mask, steps=4, octaves=2, jitter=4)
    changed = (made.image - made.original).abs()[0]
    assert float(changed[:, :38].max()) == 0 and float(changed[:, 46:].mean()) > 0.01
    with pytest.raises(DataError, match="proportions"):
        dream(net, photo(), "relu2", mask=torch.ones(42, 30))
    with pytest.raises(DataError, match="only black"):
        dream(net, photo(), "relu2", mask=torch.zeros(30, 42))


def test_a_guide_matches_vectors_as_a_loop_does(net: Net) -> None:
    place, guide = (
        LayerAddress("relu2"),
        record_float32(net, photo(40, 40)[None], [LayerAddress("relu2")])[LayerAddress("relu2")][0],
    )
    image = photo(50, 44)[None].requires_grad_()
    act = record_float32(net, image, [place])[place]
    score = Objective.of(GuidedMatch(place, guide.flatten(1).detach()))({place: act}, image)
    (slope,) = torch.autograd.grad(score.sum(), act)
    vectors, total = guide.flatten(1).T.numpy(), 0.0
    for y, x in np.ndindex(*act.shape[2:]):
        here = act[0, :, y, x].detach().numpy()
        best = max(vectors, key=lambda v: float(v @ here))
        total += float(best @ here)
        np.testing.assert_allclose(slope[0, :, y, x].numpy(), best, atol=1e-6)
    np.testing.assert_allclose(float(score.detach()), total, rtol=1e-5)
    made = dream(net, photo(), "relu2", guide=photo(30, 30), steps=4, octaves=2, jitter=4)
    assert all(octave.after > octave.before for octave in made.octaves)
    with pytest.raises(UsageError, match="whole layers"):
        dream(net, photo(), "relu2:3", guide=photo(30, 30))


def test_seamless_pictures_fit_at_their_edges(net: Net) -> None:
    """Across the seam neighbours differ no more than inside."""
    slope = torch.linspace(0, 1, 84).expand(1, 60, 84)
    picture = slope * 0.7 + 0.3 * photo()
    made = dream(net, picture, "relu2", seamless=True, steps=6, octaves=2).image
    for axis in (1, 2):
        seam = (made.select(axis, 0) - made.select(axis, -1)).abs().mean()
        assert float(seam) < 1.3 * float(made.diff(dim=axis).abs().mean())
    assert float((picture.select(2, 0) - picture.select(2, -1)).abs().mean()) > 0.4


def test_resizing_around_is_torchs_on_a_picture_beside_itself() -> None:
    image = photo(30, 40, 3)[None].double()
    for size in ((42, 56), (21, 28)):
        beside = torch.cat([torch.cat([image] * 3, 2)] * 3, 3)
        expected = pyramid.resized(beside, (3 * size[0], 3 * size[1]))
        expected = expected[..., size[0] : 2 * size[0], size[1] : 2 * size[1]]
        torch.testing.assert_close(pyramid.resized(image, size, around=True), expected, rtol=0, atol=1e-9)


def test_a_zoom_enlarges_about_the_middle() -> None:
    image = photo(61, 81, 3)[None]
    zoomed = pyramid.zoomed(image, 1.25)[0, 0].numpy()
    middle = np.array([30.0, 40.0])
    expected = ndimage.affine_transform(
        image[0, 0].numpy().astype(float), np.eye(2) / 1.25, middle - middle / 1.25, order=3, mode="mirror"
    )
    assert np.abs(zoomed - expected)[5:-5, 5:-5].max() < 0.03


def test_frames_of_a_zoom_go_on_from_each_other(net: Net) -> None:
    recipe = DreamRecipe(**DIGITS, zoom=2, zoom_by=1.1, zoom_steps=2, steps=2, octaves=2, jitter=3)
    frames = {}
    *_, last = iter_dream(
        net, photo(), recipe, watch=lambda number, made: frames.update({number: made.image})
    )
    assert list(frames) == [0, 1, 2] and last.fraction == 1
    assert torch.equal(last.result().image, frames[2])
    kept = list(frames.values())
    nearer = pyramid.zoomed(kept[0][None], 1.1)[0]
    assert float((kept[1] - nearer).abs().mean()) < float((kept[1] - kept[0]).abs().mean())


def test_a_dream_in_tiles_is_the_dream(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"steps": 3, "octaves": 2, "jitter": 0}
    whole = dream(net, photo(120, 130), "relu2", **options)
    monkeypatch.setattr(
        "convscope.see.deepdream.deepdream.tiles_for_budget", lambda *a, **k: TileConfig(70 * 70)
    )
    tiled = dream(net, photo(120, 130), "relu2", **options)
    assert tiled.octaves[-1].tiles >= 4 and all(octave.exact for octave in tiled.octaves)
    torch.testing.assert_close(tiled.image, whole.image, rtol=0, atol=2e-3)


def test_pictures_that_are_too_small_lose_octaves_or_are_refused(net: Net) -> None:
    made = dream(net, photo(14, 16), "relu2", steps=1, octaves=6, jitter=2)
    assert 1 <= len(made.octaves) < 6 and made.octaves[-1].size == (14, 16)
    with pytest.raises(UsageError, match="large enough for relu2"):
        dream(net, photo(3, 5), "relu2")


def test_what_cannot_be_dreamt(net: Net, small: Net) -> None:
    with pytest.raises(UsageError, match="learned something"):
        dream(small, photo(channels=3), "relu2")
    assert dream(small, photo(channels=3), "relu2", untrained=True, steps=1, octaves=1).image.shape[0] == 3
    with pytest.raises(PlaceError, match="a layer of"):
        dream(net, photo(), "relu9")
    with pytest.raises(DataError, match="picture in colour"):
        dream(net, photo(channels=3), "relu2")
    assert default_layer(net) in {"relu1", "pool1", "conv2", "relu2", "pool2", "conv1"}


def test_a_spec_of_another_range_is_kept() -> None:
    torch.manual_seed(0)
    from torch import nn

    from convscope.nets import wrap

    spec = TensorSpec((3, 24, 24), value_range=(-2.0, 6.0))
    wide = wrap(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh()), spec)
    start = photo(channels=3) * 8 - 2
    made = dream(wide, start, "1", untrained=True, steps=1, octaves=1, jitter=0, lr=1.5)
    inside = (made.image > -2) & (made.image < 6) & (start > -1.5) & (start < 5.5)
    assert float((made.image - start)[inside].abs().mean()) == pytest.approx(1.5 / 255 * 8, rel=0.2)


def test_precision_is_measured_where_it_is_worth_it(net: Net, monkeypatch, tmp_path) -> None:
    """What was chosen stands in the recipe; an operation without such arithmetic leaves fp32."""
    from convscope.see.deepdream import deepdream

    def seconds(trial: Trial) -> float:
        asked.append(trial.config.precision)
        return 0.5 if trial.config.precision == "bf16" else 1.0

    asked: list[str] = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "one"))
    monkeypatch.setattr(deepdream, "SMALL", 10)
    monkeypatch.setattr(Trial, "seconds", seconds)
    options = {"steps": 3, "octaves": 2, "jitter": 3}
    made = dream(net, photo(), "relu2", **options)
    assert made.recipe.precision == "bf16" and set(asked) == {"fp32", "bf16"}
    asked.clear()
    assert all(octave.after > octave.before for octave in made.octaves)
    again = dream(net, photo(), "relu2", **options)
    assert torch.equal(again.image, made.image) and not asked

    def fails(copy: Net, *_: object) -> Tensor:
        if copy.dtype == torch.bfloat16:
            raise RuntimeError("not implemented for 'BFloat16'")
        return run(copy, *_)

    run = Net.__call__
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "two"))
    monkeypatch.setattr(deepdream, "SMALL", 10)
    monkeypatch.setattr(Net, "__call__", fails)
    assert dream(net, photo(), "relu2", **options).recipe.precision == "fp32"


class Viewing(torch.nn.Module):
    """Calls `view` on what a convolution made, which only the usual order of axes allows."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.mix = torch.nn.Conv2d(8, 5, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x).relu()
        return self.mix(y.view(len(y), 8, -1, y.shape[3]))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_network_that_asks_for_the_usual_order_dreams_too(precision: str) -> None:
    torch.manual_seed(0)
    net = wrap(Viewing(), TensorSpec((3, 16, 16)))
    options = {"untrained": True, "octaves": 2, "steps": 3, "jitter": 2, "precision": precision}
    made, plain = (
        dream(net, photo(40, 44, 3), "mix", memory_format=layout, **options)
        for layout in ("channels_last", "contiguous")
    )
    torch.testing.assert_close(made.image, plain.image)
    assert made.octaves[-1].after > made.octaves[-1].before
