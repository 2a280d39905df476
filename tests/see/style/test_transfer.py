"""Painting against its own losses, closed forms and what must stay as it was."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from convscope.errors import DataError, GraphError, MissingError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets import Net, describe, load, record, wrap
from convscope.nets.network import Source
from convscope.nets.style.losses import content_loss, correlation_loss, gram, moments, style_loss
from convscope.see.optimize.tiling.geometry import TileConfig
from convscope.see.style import color, detail, layers, problem, regions, transfer
from convscope.see.style.objectives import gram_loss
from convscope.see.style.problem import StyleProblem, fitted, resized, sizes
from convscope.see.style.recipe import StyleRecipe
from convscope.see.style.transfer import iter_style_transfer, style_transfer

pytestmark = pytest.mark.slow

QUICK = {"smooth": 0.0, "steps": [12], "precision": "fp32", "untrained": True, "content_layer": ["relu2"]}


def picture(seed: int, height: int = 40, width: int = 48) -> torch.Tensor:
    chance = torch.Generator().manual_seed(seed)
    return resized(torch.rand(1, 3, height // 4, width // 4, generator=chance), (height, width))[0]


@pytest.fixture
def net() -> Net:
    torch.manual_seed(3)
    module = nn.Sequential()
    for name, part in {
        "conv1": nn.Conv2d(3, 8, 3, padding=1),
        "relu1": nn.ReLU(),
        "pool1": nn.MaxPool2d(2),
        "conv2": nn.Conv2d(8, 12, 3, padding=1),
        "relu2": nn.ReLU(inplace=True),
    }.items():
        module.add_module(name, part)
    return wrap(module, TensorSpec((3, 32, 32), mean=(0.5,), std=(0.25,)), name="little")


def recipe(**more: object) -> StyleRecipe:
    return StyleRecipe.parse({"content": "c", "style": ["s"], **QUICK, **more})


def test_the_style_is_reached_and_the_score_is_the_sum_of_the_losses(net):
    content, painting = picture(0), picture(1)
    made = style_transfer(
        net, content, painting, **{**QUICK, "steps": [80], "smooth": 0.01}, content_weight=0.1
    )
    assert made.image.shape == content.shape
    assert sum(made.losses.style.values()) < 0.1 * sum(made.losses.style_of_content.values())
    acts = [record(net, image[None], ["relu1", "relu2"]) for image in (made.image, painting, content)]
    total = 0.0
    for depth, (place, here) in enumerate(acts[0].items(), start=1):
        share = correlation_loss(moments(here), moments(acts[1][place])).item()
        assert made.losses.style[str(place)] == pytest.approx(share, rel=1e-3)
        total += share * depth / 3
    (deep,) = made.losses.values
    pair = [a[next(p for p in a if str(p) == deep)] for a in (acts[0], acts[2])]
    total += 0.1 * (content_loss(*pair) / pair[1].square().mean()).item()
    steps = [made.image.diff(dim=d).abs().sum().item() for d in (1, 2)]
    assert -made.losses.score == pytest.approx(total + 0.01 * sum(steps) / (40 * 48), rel=1e-3)


def test_scalings_are_the_papers_and_neural_styles(net):
    content, painting = picture(0), picture(1)
    maps = [record(net, image[None], ["relu1", "relu2"]) for image in (content, painting)]
    losses = {p: style_loss(gram(maps[0][p]), gram(maps[1][p])).item() for p in maps[0]}
    filters = {p: maps[0][p].shape[1] for p in maps[0]}
    gray = torch.full_like(content, 0.5)
    deep = record(net, gray[None], ["relu2"]).popitem()[1]
    wanted = record(net, content[None], ["relu2"]).popitem()[1]
    for scaling, styles, values in (
        ("gatys", sum(losses.values()) / 2, 0.5 * (deep - wanted).square().sum().item()),
        (
            "neural-style",
            sum(100 * 4 / filters[p] ** 2 * e for p, e in losses.items()),
            5 * nn.functional.mse_loss(deep, wanted).item(),
        ),
    ):
        problem = StyleProblem(net, content, [painting], recipe(scaling=scaling, content_weight=0.05))
        goal = problem.scale_objective((40, 48)).goal
        here = goal(record(net, content[None], goal.places), content[None])
        assert -here.item() == pytest.approx(styles, rel=1e-4)
        there = goal(record(net, gray[None], goal.places), gray[None])
        problem = StyleProblem(
            net, content, [painting], recipe(scaling=scaling, content_weight=0.0, content_layer=[])
        )
        goal = problem.scale_objective((40, 48)).goal
        only = goal(record(net, gray[None], goal.places), gray[None])
        factor = 0.05 if scaling == "gatys" else 1
        assert (only - there).item() == pytest.approx(factor * values, rel=1e-3)


def test_two_paintings_are_their_mean(net):
    content, one, two = picture(0), picture(1), picture(2)
    problem = StyleProblem(net, content, [one, two], recipe(style=["a", "b"], style_weight=[3, 1]))
    for objective in problem.scale_objective((40, 48)).style.values():
        (term,) = objective.terms
        maps = [record(net, p[None], [term.term.place]).popitem()[1] for p in (one, two)]
        both = 0.75 * moments(maps[0])[0] + 0.25 * moments(maps[1])[0]
        torch.testing.assert_close(term.term.targets[0], both)


def test_outside_the_mask_nothing_moves_and_inside_something_does(net):
    content, mask = picture(0), torch.zeros(1, 40, 48)
    mask[..., :20] = 1
    made = style_transfer(net, content, picture(1), mask=mask, **QUICK)
    assert torch.equal(made.image[..., 20:], content[..., 20:])
    assert (made.image[..., :20] - content[..., :20]).abs().mean() > 0.01


def test_luminance_keeps_the_colours(net):
    content = picture(0) * 0.5 + 0.25
    made = style_transfer(net, content, picture(1), color="luminance", content_weight=0.01, **QUICK)
    moved = made.image - content
    inside = ((made.image > 0) & (made.image < 1)).all(0)
    torch.testing.assert_close(moved[0][inside], moved[1][inside], atol=1e-5, rtol=0)
    torch.testing.assert_close(moved[0][inside], moved[2][inside], atol=1e-5, rtol=0)
    assert moved.abs().mean() > 0.002


def test_colours_of_another_have_its_mean_and_covariance():
    image, wanted = picture(3).double(), 0.3 * picture(4).double() + 0.2
    found = color.same_colours(image, wanted).flatten(1)
    torch.testing.assert_close(found.mean(1), wanted.flatten(1).mean(1))
    torch.testing.assert_close(found.cov(), wanted.flatten(1).cov(), rtol=2e-3, atol=2e-5)
    torch.testing.assert_close(color.same_colours(image, image), image)


def test_detail_in_the_root_of_its_covariance_is_uncorrelated():
    image, other = picture(3).double(), 0.2 * picture(4).double()
    root = color.detail_covariance_root([image, other], [0.75, 0.25]).double()
    found = []
    for one in (image, other):
        steps = torch.linalg.inv(root) @ torch.cat([one.diff(dim=d).flatten(1) for d in (1, 2)], 1)
        found.append(steps @ steps.T / steps.shape[1])
    together = 0.75 * found[0] + 0.25 * found[1]
    torch.testing.assert_close(together / together[0, 0], torch.eye(3).double(), rtol=1e-4, atol=1e-4)
    assert float(torch.linalg.eigvalsh(root)[-1]) == pytest.approx(1.0, abs=1e-6)
    grey = color.detail_covariance_root([image[:1].expand(3, -1, -1)], [1.0])
    torch.testing.assert_close(grey.sum(1), torch.ones(3), rtol=1e-4, atol=1e-4)
    assert float(torch.linalg.eigvalsh(grey)[0]) == pytest.approx(color.LEAST_HUE, rel=1e-3)


def test_hues_that_a_painting_does_not_have_are_hardly_painted(net, monkeypatch):
    """Along the painting's rarest direction of colour, beside the same number of steps in RGB."""
    content, light = picture(0)[:1].expand(3, -1, -1), picture(1)[:1]
    painting = torch.cat([light, 0.9 * light, 0.6 * light + 0.05 * picture(5)[1:2]])
    settings = {**QUICK, "steps": [30], "content_weight": 0.1}
    axis = torch.linalg.eigh(color.detail_covariance_root([painting], [1.0]))[1][:, 0]

    def rare(image: torch.Tensor) -> float:
        steps = torch.cat([image.diff(dim=d).flatten(1) for d in (1, 2)], 1)
        return float((axis @ steps).std() / steps.std())

    decorrelated = rare(style_transfer(net, content, painting, **settings).image)
    monkeypatch.setattr(color, "detail_covariance_root", lambda *_: torch.eye(3))
    assert decorrelated < 0.5 * rare(style_transfer(net, content, painting, **settings).image)


def test_decorrelated_colours_are_clamped_as_red_green_and_blue():
    image, beyond = picture(0)[None], 2 * picture(3)[None] - 0.5
    root = color.detail_covariance_root([0.2 * picture(1) + 0.8 * picture(2)[:1]], [1.0])
    decode = transfer._Decode(image, None, 0.0, 1.0, root)
    torch.testing.assert_close(decode(decode.encode(image)), image, atol=1e-4, rtol=0)
    free = decode.encode(beyond)
    assert float((decode(free) - beyond.clamp(0, 1)).abs().max()) > 0.3
    decode.clamp(free)
    torch.testing.assert_close(decode(free), beyond.clamp(0, 1), atol=1e-4, rtol=0)


def test_it_starts_in_the_paintings_colours_and_the_papers_way_in_its_own(net):
    content, one, two = 0.3 * picture(0) + 0.4, 0.5 * picture(1), 0.3 * picture(2) + 0.5
    problem = StyleProblem(net, content, [one, two], recipe(style=["a", "b"], style_weight=[3, 1]))
    begun = problem.scale_objective((40, 48)).start[0]
    wanted = 0.75 * color.same_colours(content, one) + 0.25 * color.same_colours(content, two)
    torch.testing.assert_close(begun, wanted.clamp(0, 1))
    assert (begun - content).abs().mean() > 0.1
    for own in ({"scaling": "gatys"}, {"color": "histogram"}):
        problem = StyleProblem(net, content, [one], recipe(**own))
        torch.testing.assert_close(problem.scale_objective((40, 48)).start[0], content)


def test_the_detail_of_finer_scales_is_in_the_paintings_colours_too(net, monkeypatch):
    problem = StyleProblem(net, 0.3 * picture(0) + 0.4, [0.5 * picture(1)], recipe(steps=[1], scales=2))
    detailed = []
    monkeypatch.setattr(transfer, "with_detail_of", lambda image, *_: detailed.append(image) or image)
    list(iter_style_transfer(problem))
    assert len(problem.sizes) == 2
    torch.testing.assert_close(detailed, [problem.scale_objective(problem.sizes[1]).start])


def test_where_the_content_is_far_from_flat_a_share_of_it_is_put_back():
    """Left flat, right a grating of known contrast: the painted image stays, or moves to the content."""
    content = torch.full((1, 3, 96, 192), 0.5)
    content[..., 96::2] += 0.2
    content[..., 97::2] -= 0.2
    share = detail.content_share(content)
    assert share.shape == (1, 1, 96, 192)
    assert float(share[..., :80].max()) < 1e-3
    wanted = detail.KEPT * 0.2**2 / (0.2**2 + detail.EQUAL_CONTRAST**2)  # the blurred grating is grey
    right = share[..., 110:]
    torch.testing.assert_close(right, torch.full_like(right, wanted), atol=0.02, rtol=0)
    painted = 0.5 * picture(3, 48, 96)[None] + 0.2
    found = detail.with_detail_of(content, painted, share)
    added = content - resized(resized(content, (48, 96)), (96, 192))
    large = (resized(painted, (96, 192)) + detail.DETAIL * added).clamp(0, 1)
    torch.testing.assert_close(found, (1 - share) * large + share * content)
    torch.testing.assert_close(detail.with_detail_of(content, painted), large)
    assert float((found - large)[..., :80].abs().max()) < 1e-3
    assert detail.with_detail_of(content, content, share) is content


def test_only_early_scales_get_a_share_of_the_content_back(net, monkeypatch):
    content = picture(0, 160, 192)
    problem = StyleProblem(net, content, [picture(1)], recipe(steps=[1], scales=4))
    shares: list[bool] = []

    def noted(image: torch.Tensor, best: torch.Tensor, kept: torch.Tensor | None) -> torch.Tensor:
        shares.append(kept is not None)
        return image

    monkeypatch.setattr(transfer, "with_detail_of", noted)
    list(iter_style_transfer(problem))
    assert shares == [True, True, False]


def test_how_far_from_flat_does_not_depend_on_the_size():
    image = _soft_picture(3, 0.2, 0.8)[None]
    small, large = (detail.content_share(resized(image, size)) for size in ((160, 192), (480, 576)))
    torch.testing.assert_close(resized(large, (160, 192)), small, atol=0.03, rtol=0)


def test_a_guide_paints_each_region_in_its_own_style(net):
    red, blue = torch.tensor([1.0, 0, 0]), torch.tensor([0, 0, 1.0])
    guide = red[:, None, None].expand(3, 40, 48).clone()
    guide[..., 24:] = blue[:, None, None]
    flipped, painting = guide.flip(2), picture(1)
    painting[..., :24] *= 0.2
    made = style_transfer(
        net,
        picture(0) * 0 + 0.5,
        painting,
        guide=guide,
        style_guides=[flipped],
        **{**QUICK, "steps": [60], "content_layer": []},
        content_weight=0.0,
    )
    left, right = made.image[..., :22].mean(), made.image[..., 26:].mean()
    dark, light = painting[..., :24].mean(), painting[..., 24:].mean()
    assert left == pytest.approx(light.item(), abs=0.12)
    assert right == pytest.approx(dark.item(), abs=0.12)


def _colours(image: torch.Tensor, where: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the colours of some pixels, by NumPy."""
    found = image[:, where].double().numpy()
    return found.mean(1), np.cov(found, bias=True)


def _soft_picture(seed: int, low: float, high: float) -> torch.Tensor:
    """Smooth colours well inside the range, so that no map has to clip."""
    noise = torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(seed))
    return low + (high - low) * torch.nn.functional.interpolate(noise, (40, 48), mode="bilinear")[0]


@pytest.mark.parametrize("masked", [False, True])
def test_each_region_starts_in_the_colours_of_the_paintings_region(net, masked):
    """Mean and covariance of each; what is outside of a mask does not count."""
    left = torch.zeros(40, 48)
    left[:, :24] = 1
    guide = torch.stack([left, torch.zeros_like(left), 1 - left])
    swapped = torch.stack([1 - left, torch.zeros_like(left), left])
    content, painting = _soft_picture(0, 0.4, 0.6), _soft_picture(1, 0.4, 0.6)
    painting[0] += 0.1 * left
    painting[2] += 0.1 * (1 - left)
    top = torch.zeros(1, 40, 48)
    top[:, :20] = 1
    wanted = recipe(guide="g", style_guide=["h"])
    given: dict[str, Any] = {"guide": guide, "style_guides": [swapped], "mask": top if masked else None}
    start = StyleProblem(net, content, [painting], wanted, **given).scale_objective((40, 48)).start[0]
    inside = top[0] > 0 if masked else torch.ones(40, 48, dtype=torch.bool)
    for here, there in ((left > 0, left == 0), (left == 0, left > 0)):
        for mine, theirs in zip(_colours(start, here & inside), _colours(painting, there), strict=True):
            np.testing.assert_allclose(mine, theirs, atol=2e-4)


def test_a_mask_alone_takes_the_colours_of_its_own_part(net):
    content, painting = _soft_picture(0, 0.4, 0.6), _soft_picture(1, 0.35, 0.65)
    content[:, 20:] -= 0.3
    mask = torch.zeros(1, 40, 48)
    mask[:, :20] = 1
    start = (
        StyleProblem(net, content, [painting], recipe(mask="m"), mask=mask).scale_objective((40, 48)).start[0]
    )
    everywhere = torch.ones(40, 48, dtype=torch.bool)
    for mine, wanted in zip(_colours(start, mask[0] > 0), _colours(painting, everywhere), strict=True):
        np.testing.assert_allclose(mine, wanted, atol=2e-4)


def test_a_mask_balances_content_and_style_as_its_part_alone_would(net):
    """Content is a mean over all positions; so the style of a quarter of them counts a quarter."""
    mask = torch.zeros(1, 40, 48)
    mask[:, :20, :24] = 1
    made = StyleProblem(net, picture(0), [picture(1)], recipe(mask="m"), mask=mask)
    found, image = made.scale_objective((40, 48)), picture(2)[None]
    acts = record(net, image, ["relu1", "relu2"])
    style = 0.0
    for weight, (place, here) in zip((1 / 3, 2 / 3), acts.items(), strict=True):
        height, width = here.shape[2:]
        part = moments(here[..., : height // 2, : width // 2])
        wanted = moments(record(net, picture(1)[None], [place])[place])
        style += weight * correlation_loss(part, wanted).item()
    (kept,) = record(net, picture(0)[None], ["relu2"]).values()
    content = ((list(acts.values())[1] - kept).square().mean() / kept.square().mean()).item()
    goal = found.goal.resolve(net)
    score = float(goal(record(net, image, goal.places), image)[0])
    assert score == pytest.approx(-style / 4 - 0.5 * content, rel=1e-4)


def test_regions_moments_are_those_of_their_positions(net):
    """Targets of a guided style, beside NumPy over the positions of the region alone."""
    left = torch.zeros(40, 48)
    left[:, :24] = 1
    guide = torch.stack([left, torch.zeros_like(left), 1 - left])
    wanted = recipe(guide="g", style_guide=["h"], style_layer=["conv1"])
    painting = picture(1)
    made = StyleProblem(net, picture(0), [painting], wanted, guide=guide, style_guides=[guide])
    (targets,) = made._wanted((40, 48)).values()
    with torch.no_grad():
        maps = net.module[0](net.normalise(painting[None])[0])[0].double().numpy()
    assert made.guide is not None
    for number, region in enumerate(made.guide):  # the order of regions is that of their sizes
        flat = maps[:, region.bool().numpy()]
        np.testing.assert_allclose(targets[number, :, :-1], flat @ flat.T / flat.shape[1], atol=1e-5)
        np.testing.assert_allclose(targets[number, :, -1], flat.mean(1), atol=1e-5)


def test_guides_that_do_not_fit_are_refused():
    red = torch.tensor([1.0, 0, 0])[:, None, None].expand(3, 20, 20)
    green = torch.tensor([0, 1.0, 0])[:, None, None].expand(3, 20, 20)
    with pytest.raises(DataError, match="which none of them has"):
        regions.check(regions.palette(red), [regions.palette(green)])
    with pytest.raises(DataError, match="flat colours"):
        regions.palette(torch.rand(3, 20, 20, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("which", ["mask", "guide", "style guide"])
def test_masks_and_guides_of_another_aspect_are_refused(net, which):
    flat = torch.zeros(3, 40, 48)
    flat[..., 24:] = 1
    given: dict[str, Any] = {"guide": flat, "style_guides": [flat]} if which != "mask" else {"mask": flat[:1]}
    assert style_transfer(net, picture(0), picture(1), **QUICK, **given).image.shape == (3, 40, 48)
    turned: dict[str, Any] = {
        "mask": {"mask": flat[:1].mT},
        "guide": {**given, "guide": flat.mT},
        "style guide": {**given, "style_guides": [flat.mT]},
    }[which]
    with pytest.raises(DataError, match=f"a {which} of the .*'s proportions, 48 by 40.*40 by 48.*Turn"):
        style_transfer(net, picture(0), picture(1), **QUICK, **turned)


def test_no_training_no_style(net):
    with pytest.raises(MissingError, match="--untrained"):
        style_transfer(net, picture(0), picture(1), **{**QUICK, "untrained": False})
    trained = wrap(net.module, net.input_specs, source=Source("little", weights="somewhere"), name="little")
    assert style_transfer(trained, picture(0), picture(1), **{**QUICK, "untrained": False}).image.shape == (
        3,
        40,
        48,
    )


def test_a_painting_that_was_stopped_is_the_best_so_far_at_the_whole_size(net):
    problem = StyleProblem(net, picture(0, 80, 96), [picture(1)], recipe(scales=2, steps=[6, 6]))
    scores, last = [], None
    for last in iter_style_transfer(problem):
        made = last.result()
        assert made.image.shape == (3, 80, 96)
        if made.steps[1] == 0 and last.message.startswith("48x40, "):
            scores.append(made.losses.score)
    assert scores == sorted(scores)
    assert len(scores) == 7
    assert last is not None and last.fraction == 1
    assert last.message.startswith("96x80, step 6 of 6, score ")


def test_the_same_recipe_is_the_same_picture(net):
    again = [
        style_transfer(net, picture(0), picture(1), start="noise", seed=4, **QUICK).image for _ in range(2)
    ]
    assert torch.equal(*again)


def test_sizes():
    assert sizes((384, 512), recipe()) == ((48, 64), (96, 128), (192, 256), (384, 512))
    assert sizes((384, 512), recipe(size=256, scales=1)) == ((192, 256),)
    assert sizes((100, 90), recipe()) == ((100, 90),)
    assert fitted((1, 1000), 10) == (1, 10)


def test_layers_of_vggs_have_the_papers_names():
    from convscope.nets import load

    vgg = load("torchvision/vgg19", weights=None, seed=0)
    names = layers.vgg_names(vgg)
    assert [names[f"conv{b}_1"] for b in range(1, 6)] == [f"features.{i}" for i in (0, 5, 10, 19, 28)]
    assert (names["relu4_2"], names["pool4"]) == ("features.22", "features.27")
    found = layers.chosen(vgg, [], [])
    assert [str(p) for p in found.style] == [f"features.{i}" for i in (1, 6, 11, 20, 29)]
    assert [str(p) for p in found.content] == ["features.22"]
    assert not layers.vgg_names(load("efficientnet_lite0"))


def test_layers_of_others_are_one_for_each_map_size():
    net = load("efficientnet_lite0")
    found = layers.chosen(net, [], [])
    shapes = {layer.name: layer.output_shape for layer in describe(net).layers}
    assert [shapes[str(p)][1] for p in found.style] == [112, 56, 28, 14, 7]
    assert [shapes[str(p)][1] for p in found.content] == [14]
    modules = [net.module.get_submodule(str(p)) for p in (*found.style, *found.content)]
    assert all(isinstance(module, nn.ReLU6) for module in modules)


def test_average_pooling(net):
    averaged = layers.adapted(net, "average")
    image = picture(0)[None]
    before = record(averaged, image, ["relu1"]).popitem()[1]
    found = record(averaged, image, ["pool1"]).popitem()[1]
    torch.testing.assert_close(found, nn.functional.avg_pool2d(before, 2))
    assert type(net.module.pool1) is nn.MaxPool2d
    plain = wrap(nn.Sequential(nn.Conv2d(3, 4, 3)), TensorSpec((3, 16, 16)))
    assert layers.adapted(plain, "auto") is plain
    with pytest.raises(UsageError, match="maximum pooling"):
        layers.adapted(plain, "average")


def test_a_flat_picture_has_no_edges_in_vgg():
    net = load("hed-vgg16")
    flat = torch.full((1, 3, 24, 24), 0.3)
    with torch.no_grad():
        (edged,) = record(net, flat, ["relu2_2"]).values()
        (even,) = record(layers.adapted(net, "auto"), flat, ["relu2_2"]).values()
    assert float(edged.std((2, 3)).max()) > 1
    torch.testing.assert_close(even, even[..., :1, :1].expand_as(even), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("size", [(9, 12), (1, 12)])
def test_vgg_sees_maps_mirrored_or_repeated_where_they_are_too_short(size):
    """Beside torch's own padding modes."""
    net = load("hed-vgg16")
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    seen = layers.adapted(net, "auto").module
    plain = next(part for part in net.module.modules() if isinstance(part, nn.Conv2d))
    found = next(part for part in seen.modules() if isinstance(part, nn.Conv2d))
    mode = "reflect" if min(size) > 1 else "replicate"
    other = nn.Conv2d(3, plain.out_channels, 3, padding=1, padding_mode=mode)
    other.load_state_dict(plain.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(found(image), other(image))
    assert type(plain) is nn.Conv2d  # the network itself stays as it is


def test_other_filters_are_refused(net):
    objective = gram_loss("relu1", torch.zeros(1, 12, 12)).resolve(net)
    image = picture(0)[None]
    with pytest.raises(GraphError, match="12 filters"):
        objective(record(net, image, ["relu1"]), image)


@pytest.mark.parametrize(
    "wrong",
    [{"style_weight": [1, 2]}, {"style_weight": [0.0]}, {"guide": "g"}, {"memory": "much"}, {"steps": [-1]}],
)
def test_recipes_that_make_no_sense(wrong):
    with pytest.raises(UsageError):
        recipe(**wrong)


def test_tiles_are_the_whole_picture():
    from convscope.nets import load
    from convscope.see.optimize.image_params.base import ImageParameterization
    from convscope.see.optimize.loop import optimize_input
    from convscope.see.optimize.tiling.geometry import TileConfig
    from convscope.see.style.transfer import _Decode

    net, region = load("hed-vgg16"), torch.zeros(1, 96, 160)
    region[..., :100] = 1
    wanted = recipe(style_layer=["relu1_1", "relu2_1"], content_layer=["relu2_2"])
    sitting = StyleProblem(net, picture(0, 96, 160), [picture(1)], wanted, mask=region).scale_objective(
        (96, 160)
    )
    found = []
    for tiles in (None, TileConfig(96 * 96)):
        moved = picture(2, 96, 160)[None].clone().requires_grad_()
        canvas = ImageParameterization((moved,), _Decode(sitting.content, sitting.mask, 0.0, 1.0))
        *_, step = optimize_input(net, sitting.goal, canvas, steps=2, tiles=tiles)
        found.append((step.scores, step.images))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-4, atol=0)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("size", "memory", "pixels"),
    [
        ((512, 512), "", 1024 * 1024),
        ((512, 512), "64GB", 1024 * 1024),
        ((512, 512), "1GB", 256 * 512),
        ((1024, 1024), "4GB", 512 * 512),
        ((2048, 2048), "", 512 * 512),
        ((2048, 2048), "64GB", 512 * 512),
        ((2048, 2048), "1.3GB", 256 * 512),
    ],
)
def test_pictures_are_looked_at_in_parts_only_where_memory_is_short(size, memory, pixels):
    assert problem.tiles_for(torch.empty(1, 3, *size, device="meta"), memory).pixels == pixels


def test_what_is_wanted_is_the_same_part_by_part(monkeypatch):
    """Grams and values of a picture that is looked at in tiles are those of one look at the whole."""
    net = load("hed-vgg16")
    wanted = layers.chosen(net, ["relu1_2", "relu3_1"], ["relu3_2"])
    picture = torch.rand(1, 3, 272, 240, generator=torch.Generator().manual_seed(3))
    regions = torch.rand(2, 272, 240, generator=torch.Generator().manual_seed(4))
    looked = []
    for whole_up_to in (10**6, 1):
        monkeypatch.setattr(problem, "WHOLE", whole_up_to)
        monkeypatch.setattr(problem, "PART", TileConfig(160 * 160))
        whole = dict(problem.moment_targets(net, picture, wanted, None))
        parted = dict(problem.moment_targets(net, picture, wanted, regions))
        looked.append(
            [
                *whole.values(),
                *parted.values(),
                *problem.content_features(net, picture, wanted.content).values(),
            ]
        )
    for one, other in zip(*looked, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4 * float(one.abs().max()))
