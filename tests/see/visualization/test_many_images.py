"""Variants, signs, films, journeys, batches, paces and memory."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from convscope.errors import ConvscopeError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets import LayerAddress, Net, load, wrap
from convscope.nets.inference.autotune import Trial
from convscope.nets.inference.memory import used_bytes
from convscope.recipe import in_bytes
from convscope.see import iter_visualize, visualize
from convscope.see.optimize.objectives.activations import diversity
from convscope.see.optimize.objectives.objective import per_image
from convscope.see.optimize.transforms import Crop, Warp, single_warp
from convscope.see.visualization import execution
from convscope.see.visualization.journey import choose_layers, iter_journey
from convscope.see.visualization.recipe import VisualizeRecipe
from convscope.system.progress import last_result


def test_diversity_in_closed_form() -> None:
    """Minus the mean cosine of Gram matrices, times the layer's root mean square."""
    maps = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    goal = per_image([diversity("a", 0), diversity("a", 1), diversity("a", 0)])
    found = goal({LayerAddress("a"): maps}, torch.zeros(3, 3, 8, 8))
    grams = [(m.flatten(1) @ m.flatten(1).T).flatten() for m in maps]
    cosine = torch.nn.functional.cosine_similarity(grams[0], grams[2], dim=0)
    rms = maps.square().mean((1, 2, 3)).sqrt()
    torch.testing.assert_close(found, torch.stack([-cosine * rms[0], torch.zeros(()), -cosine * rms[2]]))


def test_variants_are_kept_apart(small: Net) -> None:
    def alike(strength: float) -> float:
        made = visualize(small, "conv2:1", variants=3, diversity=strength, steps=30, size=[20])
        assert made.places == ("conv2:1", "conv2:1 ~2", "conv2:1 ~3")
        maps = small.module[2](small.module[1](small.module[0]((made.images - 0.5) / 0.25))).detach()
        grams = torch.nn.functional.normalize((maps.flatten(2) @ maps.flatten(2).mT).flatten(1), dim=1)
        return float((grams @ grams.T).sum() - 3) / 6

    assert alike(50.0) < alike(0.0)


def test_both_signs_at_once(small: Net) -> None:
    made = visualize(small, "conv2:1", "conv2:2", both=True, steps=12)
    assert made.places == ("conv2:1", "-conv2:1", "conv2:2", "-conv2:2")
    up, down = visualize(small, "conv2:1", steps=12), visualize(small, "conv2:1", negative=True, steps=12)
    torch.testing.assert_close(made.images[0], up.images[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(made.images[1], down.images[0], atol=1e-4, rtol=0)


OPTIONS = [
    {"transforms": "crops"},
    {"transforms": "lucid"},
    {"optimizer": "adam"},
    {"schedule": "cosine"},
    {"both": True, "variants": 2},
    {"canvas": "pixels", "blur": 0.01},
    {"reduce": "max", "size": [31, 18]},
    {"precision": "bf16", "memory_format": "channels_last"},
    {"l1": 0.001, "total_variation": 0.001},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.slow
def test_alone_and_in_a_batch_with_every_option(small: Net, options: dict) -> None:
    group = options.get("variants", 1) * (2 if options.get("both") else 1)
    whole = visualize(small, "conv2:*", batch=4, steps=5, **options)
    alone = visualize(small, "conv2:4", batch=1, steps=5, **options)
    near = 0.03 if "precision" in options else 1e-3
    torch.testing.assert_close(alone.images, whole.images[4 * group : 5 * group], atol=near, rtol=0)
    assert whole.places[4 * group : 5 * group] == alone.places


def test_what_was_chosen_makes_the_same_again(small: Net) -> None:
    made = visualize(small, "conv2:*", steps=4)
    assert made.settled.batch == 12 and made.settled.precision == "fp32"
    options = {name: value for name, value in made.settled.chosen().items() if name not in ("net", "places")}
    assert torch.equal(visualize(small, *made.settled.places, **options).images, made.images)


def test_measured_once_and_kept(small: Net, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(execution, "SMALL", 10)
    asked = []

    def seconds(trial: Trial) -> float:
        asked.append(trial.config)
        return (0.2 if trial.config.precision == "bf16" else 1.0) * (trial.config.batch**0.5)

    monkeypatch.setattr(Trial, "seconds", seconds)
    made = visualize(small, "conv2:*", steps=3)
    assert (made.settled.precision, made.settled.batch) == ("bf16", 32)
    assert len({(one.precision, one.memory_format) for one in asked}) == 4
    assert {one.batch for one in asked} == {4, 8, 12, 16, 32}
    asked.clear()
    visualize(small, "conv2:*", steps=3)
    assert not asked
    fixed = visualize(small, "conv2:*", steps=3, precision="fp32", memory_format="contiguous", batch=2)
    assert not asked and fixed.settled.batch == 2
    assert small.module[0].weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4GB", 4 * 10**9),
        ("512 MiB", 2**29),
        ("1.5g", 1_500_000_000),
        ("300M", 300_000_000),
        ("x", 0),
        ("", 0),
    ],
)
def test_sizes_of_memory(text: str, size: int) -> None:
    assert in_bytes(text) == size


def test_memory_decides_the_batch(small: Net) -> None:
    def batch(memory: str) -> int:
        recipe = VisualizeRecipe(net="x", places=["conv2:*"], steps=2, memory=memory, batch=4096, size=[256])
        return next(iter_visualize(small, recipe)).result().settled.batch

    room = used_bytes(torch.device("cpu"))
    least, more = batch(f"{room + 120 * 10**6}B"), batch(f"{room + 400 * 10**6}B")
    assert 1 <= least < more
    with pytest.raises(ConvscopeError, match="memory"):
        batch("1MB")
    with pytest.raises(UsageError, match="memory"):
        visualize(small, "conv2:1", memory="lots")


_WHOLE_LAYER = """
import resource, sys, torch
torch.set_num_threads(1)
import convscope as cs
net = cs.load(sys.argv[1], weights=None, seed=0)
layer, budget, size, steps = sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
made = cs.see.visualize(net, f"{layer}:*", steps=steps, size=[size], memory=f"{budget}GB", batch=4096)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(len(made), made.settled.batch, peak)
"""


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("net", "layer", "units", "budget", "size", "steps"),
    [
        ("timm/tf_efficientnet_lite0", "blocks.3.1", 80, 1.2, 128, 2),
        ("timm/tf_efficientnet_lite0", "blocks.3.1", 80, 2.0, 128, 2),
        ("torchvision/googlenet", "inception4c", 512, 1.2, 64, 2),
    ],
)
def test_a_whole_layer_stays_within_its_memory(
    net: str, layer: str, units: int, budget: float, size: int, steps: int
) -> None:
    words = [sys.executable, "-c", _WHOLE_LAYER, net, layer, *map(str, (budget, size, steps))]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    made, batch, peak = map(int, done.stdout.split())
    assert made == units and batch >= 4 and peak < budget * 1e9, f"{peak / 1e9:.2f} GB, batch {batch}"


def test_film_keeps_the_steps_asked_for(small: Net) -> None:
    made = visualize(small, "conv2:*", steps=6, batch=4, save_steps=[0, 2, 6])
    assert [step for step, _ in made.film] == [0, 2, 6]
    assert all(images.shape == made.images.shape for _, images in made.film)
    assert torch.equal(made.film[-1][1], made.images)
    start = visualize(small, "conv2:*", steps=0)
    torch.testing.assert_close(made.film[0][1], start.images)
    assert VisualizeRecipe.parse({"net": "x", "places": ["a"], "save_steps": ["0,4", "48"]}).save_steps == [
        0,
        4,
        48,
    ]
    animated = visualize(small, "conv2:1", steps=100, animate=True)
    steps = [step for step, _ in animated.film]
    assert steps[0] == 0 and steps[-1] == 100 and len(steps) > 30 and steps == sorted(set(steps))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("torchvision/googlenet", ["conv1", "inception3a", "inception4c", "inception5b", "output"]),
        ("torchvision/vgg11", ["features.0", "features.18", "output"]),
        ("efficientnet_lite0", ["conv_stem", "blocks.3.0", "output"]),
        ("digits", ["conv1", "conv2", "output"]),
    ],
)
@pytest.mark.slow
def test_journeys_go_from_the_first_layer_to_the_last(name: str, expected: list[str]) -> None:
    weights = {} if name in ("digits", "efficientnet_lite0") else {"weights": None, "seed": 0}
    net = load(name, **weights)
    stops = choose_layers(net, stops=99, units=3)
    names = [stop.layer for stop in stops]
    assert [layer for layer in names if layer in expected] == expected
    assert all(
        1 <= len(s.units) <= (10 if s.shape == (10,) else 3) and max(s.units) < s.shape[0] for s in stops
    )
    fields = [stop.receptive_field[0] for stop in stops if stop.receptive_field and not stop.covers_input]
    assert fields == sorted(fields)
    few = [stop.layer for stop in choose_layers(net, stops=3)]
    assert few[0] == names[0] and few[-1] == names[-1] and len(few) == min(3, len(names))
    assert [stop.layer for stop in choose_layers(net, [expected[0]])] == [expected[0]]


def test_layers_of_one_residual_stream_show_different_units() -> None:
    net = load("efficientnet_lite0")
    stops = choose_layers(net, stops=99, units=5)[1:]  # of the stem, some units have no weights
    for shape in {stop.shape for stop in stops}:
        shown = [stop.units for stop in stops if stop.shape == shape]
        assert all(len(set(units)) == 5 and units == tuple(sorted(units)) for units in shown)
        together = [unit for units in shown for unit in units]
        assert len(set(together)) == len(together) <= shape[0] and max(together) == shape[0] - 1
    few = choose_layers(
        net, ["blocks.1.0", "blocks.1.1"], units=20
    )  # 24 units: not enough for two rows of 20
    assert few[0].units == few[1].units and len(set(few[0].units)) == 20


def test_a_journey_leaves_out_units_without_weights() -> None:
    net = wrap(nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3)), TensorSpec((1, 9, 9)))
    with torch.no_grad():
        net.module[0].weight[[0, 3, 5]] *= 1e-7
        net.module[2].weight.zero_()  # nothing varies: all are shown
    first, second = choose_layers(net, ["0", "2"], units=6)
    assert first.units == (1, 2, 4) and second.units == (0, 1, 2, 3)


def test_first_layers_of_a_journey_are_patches_that_match_their_kernels() -> None:
    net = load("digits")
    stops = choose_layers(net, ["conv1", "output"], units=4)
    recipe = VisualizeRecipe(net="digits", journey=True, steps=96, save_steps=[0, 96])
    made = last_result(iter_journey(net, recipe, stops), "a journey")
    assert made.places == tuple(place for stop in stops for place in stop.places)
    assert [stop.units for stop in stops][1] == tuple(range(10))  # every answer
    kernels = dict(net.module.named_parameters())["conv1.weight"].detach()
    for unit, image in zip(stops[0].units, made.images, strict=False):
        patch = nn.functional.interpolate(image[None], size=3, mode="area")[0]
        strong = kernels[unit].abs() > 0.1 * kernels[unit].abs().max()
        assert torch.equal((patch > 0.5)[strong], (kernels[unit] > 0)[strong])
        act = nn.functional.conv2d((kernels[unit] > 0).float()[None], kernels[unit : unit + 1])
        bias = dict(net.module.named_parameters())["conv1.bias"].detach()[unit]
        score = made.clean_scores[made.places.index(f"conv1:{unit}")]
        assert 0.97 * float(act + bias) <= float(score) <= float(act + bias) + 1e-4  # the closed form
    assert [images.shape for _, images in made.film] == [made.images.shape] * 2
    assert made.settled.journey and made.settled.reduce == "mean" and made.settled.transforms == "auto"


@pytest.mark.parametrize("end", ["exception", "interrupt", "closed"])
def test_the_module_is_untouched(small: Net, end: str) -> None:
    small.module.train()
    small.module[0].weight.requires_grad_(False)
    before = {key: value.clone() for key, value in small.module.state_dict().items()}
    recipe = VisualizeRecipe(
        net="x", places=["conv2:*"], steps=9, precision="bf16", memory_format="channels_last"
    )
    course = iter_visualize(small, recipe)
    for progress in course:
        if progress.message.startswith("step 2 ") and end == "closed":
            course.close()
            break
        if progress.message.startswith("step 2 "):
            error = KeyboardInterrupt() if end == "interrupt" else RuntimeError("on purpose")
            with pytest.raises(type(error)):
                course.throw(error)
            break
    assert all(torch.equal(value, before[key]) for key, value in small.module.state_dict().items())
    assert all(part.training and not part._forward_hooks for part in small.module.modules())
    assert [p.requires_grad for p in small.module.parameters()] == [False, True, True, True]
    assert all(p.grad is None for p in small.module.parameters())
    assert small.module[0].weight.is_contiguous()


def test_sounds_and_many_channels() -> None:
    torch.manual_seed(0)
    sound = wrap(nn.Sequential(nn.Conv1d(2, 4, 5), nn.ReLU(), nn.Conv1d(4, 3, 5)), TensorSpec((2, 80)))
    made = visualize(sound, "2:*", steps=10)
    assert made.images.shape == (3, 2, 80)
    five = wrap(nn.Sequential(nn.Conv2d(5, 4, 3)), TensorSpec((5, 66, 70)))
    assert visualize(five, "0:1", steps=3).images.shape == (1, 5, 66, 70)


def test_warp_is_pad_scale_and_turn_in_one() -> None:
    """Against scipy: the same affine map, inside the picture."""
    import numpy as np
    from scipy.ndimage import affine_transform

    image = torch.rand(1, 1, 40, 60, generator=torch.Generator().manual_seed(0))
    warped = Warp(0, (1.1,), (10.0,))(image, torch.Generator())[0, 0].numpy()
    angle = np.radians(10.0)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / 1.1
    centre = np.array([19.5, 29.5])
    expected = affine_transform(
        image[0, 0].numpy(), matrix, offset=centre - matrix @ centre, order=1, mode="nearest"
    )
    np.testing.assert_allclose(warped[8:-8, 8:-8], expected[8:-8, 8:-8], atol=1e-4)


def test_robust_keeps_the_size_and_crops_give_theirs() -> None:
    image = torch.rand(2, 3, 70, 90)
    generator = torch.Generator().manual_seed(3)
    (warp,) = single_warp()
    assert all(warp(image, generator).shape == image.shape for _ in range(5))
    assert torch.equal(Warp(0)(image, generator), image) or torch.allclose(
        Warp(0)(image, generator), image, atol=1e-5
    )
    assert all(Crop((24, 30))(image, generator).shape == (2, 3, 24, 30) for _ in range(20))
    shifted = Warp(3)(image, torch.Generator().manual_seed(1))
    assert shifted.shape == image.shape and not torch.equal(shifted, image)


def test_measuring_stays_with_the_order_that_the_network_asks_for(monkeypatch, tmp_path) -> None:
    class Viewing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.conv(x)
            return y.view(len(y), 4, -1)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(execution, "SMALL", 10)
    net = wrap(Viewing(), TensorSpec((3, 12, 12)))
    start, made = (visualize(net, "output:*", steps=steps, precision="fp32") for steps in (0, 6))
    assert len(made) == 4 and bool((made.clean_scores > start.clean_scores).all())


def test_pictures_keep_their_order_whatever_is_made_together(small: Net) -> None:
    asked = ("conv2:1", "conv1:0", "conv2:2", "conv1:1", "conv1:2")
    course = iter_visualize(small, VisualizeRecipe(net="x", places=list(asked), batch=2, steps=3))
    seen = [(step.fraction, step.result().places) for step in course]
    assert seen[0] == (0, ("conv1:0", "conv1:1")) and seen[-1] == (1, asked)
    made = visualize(small, *asked, batch=2, steps=3, save_steps=[0, 3])
    for number, place in enumerate(asked):
        alone = visualize(small, place, steps=3)
        torch.testing.assert_close(made.images[number], alone.images[0], atol=1e-3, rtol=0)
        torch.testing.assert_close(made.film[1][1][number], made.images[number])
