"""Scores under small changes, clipped values, the limit of contrast, and parts of an enlarged image."""

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from convscope.graph.spec import TensorSpec
from convscope.nets import wrap
from convscope.see import clipped_shares, fft_image, robust_scores, visualize
from convscope.see.optimize.execution import SampleRun
from convscope.see.optimize.loop import OptimizerConfig
from convscope.see.optimize.objectives.activations import channel
from convscope.see.optimize.transforms import (
    DEGREES,
    FACTORS,
    RandomChoice,
    Transform,
    Warp,
    apply_transforms,
    single_warp,
)
from convscope.see.visualization import clean_scores
from convscope.see.visualization.recipe import VisualizeRecipe
from convscope.see.visualization.runner import enlargement, optimizer_from_recipe, transforms_from_recipe

GREY = TensorSpec((1, 32, 32))


def checkers() -> nn.Module:
    """Answer to a checkerboard of single pixels, and to nothing coarser."""
    conv = nn.Conv2d(1, 1, 2)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([[[[1.0, -1.0], [-1.0, 1.0]]]]))
        conv.bias.zero_()
    return nn.Sequential(conv, nn.ReLU())


def test_a_pattern_on_the_pixel_grid_is_not_robust() -> None:
    net = wrap(checkers(), GREY)
    board = ((torch.arange(16)[:, None] + torch.arange(16)) % 2).float()[None, None]
    goals = [channel("1:0")]
    clean = float(clean_scores(net, goals, board)[0])
    assert clean == pytest.approx(1.0, abs=0.1)  # 2 on every second position
    assert float(robust_scores(net, goals, board)[0]) < 0.2 * clean


def test_a_plain_image_scores_the_same_in_all_views() -> None:
    mean = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.ones_(mean.weight)
    net = wrap(nn.Sequential(mean), GREY)
    plain = torch.full((2, 1, 20, 24), 0.25) * torch.tensor([1.0, 2.0]).view(2, 1, 1, 1)
    found = robust_scores(net, [channel("0:0")] * 2, plain)
    torch.testing.assert_close(found, torch.tensor([0.25, 0.5]), atol=1e-5, rtol=0)


def test_vectors_have_their_clean_score() -> None:
    net = wrap(nn.Sequential(nn.Linear(5, 3)), TensorSpec((5,)))
    images = torch.rand(2, 5)
    goals = [channel("0:1")] * 2
    assert torch.equal(robust_scores(net, goals, images), clean_scores(net, goals, images))


def test_clipped_values_are_counted_as_an_8_bit_picture_shows_them() -> None:
    spec = TensorSpec((1, 1, 4), value_range=(-1.0, 1.0))
    images = torch.tensor([[[[-1.0, -0.999, 0.0, 1.0]]], [[[-0.99, 0.5, 0.99, 0.0]]]])
    assert clipped_shares(images, spec).tolist() == [0.75, 0.0]


@pytest.mark.parametrize(
    ("size", "factor"), [((32, 32), 1.0), ((16, 16), 2.0), ((16, 8), 2.0), ((64, 8), 1.0), ((8, 16), 2.0)]
)
def test_images_are_enlarged_until_they_fit(size: tuple[int, int], factor: float) -> None:
    assert enlargement(GREY, size) == factor


def test_long_ascent_does_not_burn_out(small, monkeypatch) -> None:
    """Without the projection, this ascent ends with more than a tenth of its values at 0 or 255."""
    limited = visualize(small, "conv2:1", steps=40, lr=1.0)
    assert float(limited.clipped[0]) < 0.05
    torch.testing.assert_close(limited.clipped, clipped_shares(limited.images, small.input_spec))
    monkeypatch.setattr(
        "convscope.see.visualization.runner.fft_image",
        lambda *given, **named: fft_image(*given, contrast=None, **named),
    )
    free = visualize(small, "conv2:1", steps=40, lr=1.0)
    assert float(free.clipped[0]) > 0.1
    assert float(limited.clean_scores[0]) > 0.6 * float(free.clean_scores[0])


def test_the_limit_of_contrast_is_that_of_the_image_before_the_sigmoid() -> None:
    canvas = fft_image(TensorSpec((3, 12, 10)), [0, 1])
    (free,) = canvas.parameters
    with torch.no_grad():
        free[0] *= 1000
        before = canvas.images()[1].clone()
        assert canvas.project is not None
        canvas.project(free)
        logits = canvas.images().double().logit()
    assert float(logits[0].square().mean().sqrt()) == pytest.approx(2.0, rel=1e-3)
    assert torch.equal(canvas.images()[1], before)


def test_a_given_image_keeps_its_contrast() -> None:
    given = (torch.rand(1, 3, 12, 10, generator=torch.Generator().manual_seed(0)) > 0.5).float() * 0.98 + 0.01
    canvas = fft_image(TensorSpec((3, 12, 10)), [0], start=given)
    with torch.no_grad():
        assert canvas.project is not None
        canvas.project(*canvas.parameters)
    torch.testing.assert_close(canvas.images(), given, atol=1e-4, rtol=0)


def test_any_part_of_an_enlarged_image_comes_into_view() -> None:
    image = torch.linspace(0, 1, 64).expand(1, 1, 64, 64).contiguous()
    generator = torch.Generator().manual_seed(0)
    parts = [Warp(0, (2.0,), any_part=True)(image, generator) for _ in range(60)]
    assert min(float(part.min()) for part in parts) < 0.05
    assert max(float(part.max()) for part in parts) > 0.95
    assert all(0.4 < float(part.max() - part.min()) < 0.55 for part in parts)
    middle = Warp(0, (2.0,))(image, generator)
    expected = interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)[..., 32:96, 32:96]
    torch.testing.assert_close(middle, expected, atol=1e-4, rtol=0)


def test_an_enlarged_image_is_seen_at_both_scales_in_parts_and_whole() -> None:
    """A slope tells how much of it is in view; it is whole in fewer views the larger it gets."""
    image = torch.linspace(0, 1, 64).expand(1, 1, 64, 64).contiguous()
    generator, counts = torch.Generator().manual_seed(0), {"own": 0, "part": 0, "whole": 0}
    for _ in range(1600):
        (shown,) = apply_transforms(image, single_warp(2.0, 0.25), generator)
        if shown.shape[1] == 128:
            counts["whole"] += 1
            assert float(shown.max() - shown.min()) > 0.8
        else:
            counts["part" if float(shown.max() - shown.min()) < 0.7 else "own"] += 1
            assert shown.shape == (1, 64, 64)
    shares = {name: count / 1600 for name, count in counts.items()}
    assert shares == pytest.approx({"own": 0.25, "part": 0.75 - 0.375 / 4, "whole": 0.375 / 4}, abs=0.04)
    assert single_warp() == single_warp(1.0, 0.25) == (Warp(6, FACTORS, DEGREES),)


def test_few_steps_see_an_enlarged_image_in_parts_only() -> None:
    def shares(steps: int) -> list[float]:
        recipe = VisualizeRecipe.parse({"net": "a", "places": ["0:0"], "size": [128], "steps": steps})
        net = wrap(nn.Sequential(nn.Conv2d(3, 1, 1)), TensorSpec((3, 224, 224)))
        (choice,) = transforms_from_recipe(net, recipe, (3, 128, 128))
        assert isinstance(choice, RandomChoice)
        return [round(weight, 3) for weight in choice.p]

    assert shares(0) == shares(32) == [0.5, 0.5]
    assert shares(128) == [0.25, round(0.75 - 0.375 / 1.75**2, 3), round(0.375 / 1.75**2, 3)]
    assert shares(512)[0] == 0.125


@pytest.mark.parametrize("shape", [(2, 3, 20, 28), (2, 1, 24)])
def test_a_whole_view_is_the_enlarged_image(shape: tuple[int, ...]) -> None:
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    shown = Warp(0, enlarged=1.75)(image, torch.Generator())
    mode = "bilinear" if len(shape) == 4 else "linear"
    expected = interpolate(image, scale_factor=1.75, mode=mode, align_corners=False)
    torch.testing.assert_close(shown, expected, atol=1e-5, rtol=0)


def test_room_is_made_for_the_whole_view(small) -> None:
    def needed(transforms: tuple[Transform, ...]) -> float:
        goal, canvas = channel("conv2:1"), fft_image(small.input_spec, [0], size=(64, 64))
        return SampleRun(small, goal, canvas, OptimizerConfig(), transforms).bytes()

    (choice,) = single_warp(2.0, 0.25)
    assert isinstance(choice, RandomChoice)
    own, part, whole = (needed((one,)) for one in choice.transforms)
    assert own == pytest.approx(part, rel=0.1) and whole > 2 * own
    assert needed((choice,)) == pytest.approx(whole, rel=0.1)


@pytest.mark.parametrize(("steps", "rate"), [(1, 0.1), (32, 0.1), (128, 0.05), (512, 0.025)])
def test_the_rate_falls_with_the_root_of_many_steps(steps: int, rate: float) -> None:
    recipe = VisualizeRecipe.parse({"net": "digits", "places": ["conv1:0"], "steps": steps})
    assert optimizer_from_recipe(recipe).lr == pytest.approx(rate)
    given = recipe.model_copy(update={"lr": 0.3})
    assert optimizer_from_recipe(given).lr == 0.3
    adam = recipe.model_copy(update={"optimizer": "adam"})
    assert optimizer_from_recipe(adam).lr == 0.05
