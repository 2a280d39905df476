"""The measurements of `benchmarks.visualize_speed`, in one process with the peers, taken in turns."""

import contextlib
import io
import json
import os
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

import convscope as cs
from convscope.nets import Net
from convscope.see import visualize
from convscope.see.optimize.objectives.activations import channel
from convscope.see.visualization.comparison import real_scores
from convscope.see.visualization.recipe import VisualizeRecipe
from convscope.see.visualization.runner import VisualizationRun
from convscope.see.visualization.visualization import iter_visualize
from convscope.worlds import ImageTensorDataset
from convscope.worlds.images import photos

for name in ("IPython", "IPython.display"):
    sys.modules.setdefault(name, types.ModuleType(name))
with contextlib.redirect_stdout(io.StringIO()):
    import dreamlens
    import horama
    import lucent.optvis.render
    from lucent.optvis import objectives, param

SIDE = 128
QUICK = os.environ.get("CONVSCOPE_BENCH") == "quick"
ROUNDS, STEPS = (2, 2) if QUICK else (3, 6)
THROUGHPUT = ("inception3a", "inception4c", "inception5b")
DEPTHS = ("blocks.1.1", "blocks.3.1", "blocks.5.2")
UNITS = 2 if QUICK else 11
EIGHT = list(range(8))
LUCENT_STEPS = (8,) if QUICK else (32,)
"""Few, which is hardest to beat by so much: what the first steps cost counts most. `LONG_STEPS` are many."""
LONG_UNITS, LONG_STEPS = (1, 24) if QUICK else (1, 256)
DREAMLENS_STEPS = 12 if QUICK else 120
OURS_STEPS = (2, 4, 6, 8, 12, 16) if QUICK else (4, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 32, 48)
DATA = Path(os.environ.get("CONVSCOPE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


class Normalised(torch.nn.Module):
    """The network behind its own normalisation, for tools that know only ImageNet's."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.body, (self.spec,) = net.module, net.input_specs
        self.register_buffer("mean", torch.tensor(self.spec.mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(self.spec.std).view(-1, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """What the network itself would be shown."""
        low, high = self.spec.value_range
        return self.body((low + image * (high - low) - self.mean) / self.std)


@contextlib.contextmanager
def own_state(model: torch.nn.Module) -> Iterator[None]:
    """Peers leave hooks behind and gradients on weights; a fresh start for each call, at no cost to them."""
    yield
    for part in model.modules():
        part._forward_hooks.clear()
    model.zero_grad()


def with_lucent(
    model: Normalised, layer: str, units: list[int], steps: tuple[int, ...]
) -> list[torch.Tensor]:
    """Pictures after each of the steps."""
    flat = "body_" + layer.replace(".", "_")
    goal = sum(objectives.channel(flat, unit, batch=i) for i, unit in enumerate(units))
    with own_state(model):
        made = lucent.optvis.render.render_vis(
            model,
            goal,
            lambda: param.image(SIDE, batch=len(units)),
            thresholds=steps,
            preprocess=False,
            progress=False,
            show_image=False,
        )
    return [torch.from_numpy(images).permute(0, 3, 1, 2) for images in made]


def with_dreamlens(model: Normalised, layer: str, units: list[int], steps: int) -> torch.Tensor:
    config = dreamlens.RenderConfig(
        width=SIDE, height=SIDE, steps=steps, preprocess=dreamlens.identity_preprocess
    )
    with own_state(model), contextlib.redirect_stdout(io.StringIO()):
        seer = dreamlens.FeatureVisualizer(model, quiet=True, normalize=False)
        made = seer.maximize_channels(model.body.get_submodule(layer), units, config=config)
    image = made.image
    found = image() if callable(image) else image.to_nchw_tensor()
    return torch.as_tensor(found).detach().reshape(len(units), 3, SIDE, SIDE).clamp(0, 1)


def with_horama(model: Normalised, layer: str, unit: int, steps: int) -> None:
    """Its own way of one picture: six crops of a 128 px canvas, each at 128 px."""
    box: dict[str, torch.Tensor] = {}
    handle = model.body.get_submodule(layer).register_forward_hook(lambda _m, _i, out: box.update(a=out))
    try:
        horama.fourier(
            lambda images: (model(images), box["a"][:, unit].mean())[1],
            total_steps=steps,
            image_size=SIDE,
            model_input_size=SIDE,
            values_range=(0.0, 1.0),
            device="cpu",
        )
    finally:
        handle.remove()


def ours(net: Net, places: list[str], steps: int, **more: object) -> Any:
    return visualize(net, *places, size=[SIDE], steps=steps, **more)


def seconds(job: Callable[[], object]) -> float:
    started = time.perf_counter()
    job()
    return time.perf_counter() - started


def our_steps(net: Net, layer: str, count: int, steps: int) -> float:
    """Seconds for each step of one picture, as long work would be executed."""
    recipe = VisualizeRecipe.parse(
        {
            "net": net.name,
            "places": [f"{layer}:{u}" for u in range(count)],
            "steps": steps,
            "size": [SIDE],
            **EXECUTIONS[net.name, layer, count],
        }
    )
    course = iter_visualize(net, recipe)
    next(course)
    started = time.perf_counter()
    done = sum(1 for _ in course)
    return (time.perf_counter() - started) / (done * count)


EXECUTIONS: dict[tuple[str, str, int], dict[str, object]] = {}


def choose_execution(net: Net, layer: str, count: int) -> None:
    places = [f"{layer}:{u}" for u in range(count)]
    recipe = VisualizeRecipe.parse({"net": net.name, "places": places, "size": [SIDE], "steps": 1024})
    found = VisualizationRun(net, recipe, None, None).execution
    EXECUTIONS[net.name, layer, count] = {
        "precision": found.precision,
        "memory_format": found.memory_format,
        "batch": count,
    }


def throughput() -> dict[str, Any]:
    """Steps of single pictures for each second, tool by tool and layer by layer."""
    net = cs.load("torchvision/googlenet", weights=None, seed=0)
    model = Normalised(net).eval()
    found: dict[str, Any] = {}
    for layer in THROUGHPUT:
        for count in (1, 8):
            choose_execution(net, layer, count)
        jobs: dict[str, Callable[[], float]] = {
            "convscope, 8 at once": lambda layer=layer: our_steps(net, layer, 8, STEPS),
            "convscope, one": lambda layer=layer: our_steps(net, layer, 1, STEPS),
            "lucent, 8 at once": lambda layer=layer: (
                seconds(lambda: with_lucent(model, layer, EIGHT, (STEPS,))) / (8 * STEPS)
            ),
            "lucent, one": lambda layer=layer: (
                seconds(lambda: with_lucent(model, layer, [0], (STEPS,))) / STEPS
            ),
            "dreamlens, 8 at once": lambda layer=layer: (
                seconds(lambda: with_dreamlens(model, layer, EIGHT, STEPS)) / (8 * STEPS)
            ),
            "dreamlens, one": lambda layer=layer: (
                seconds(lambda: with_dreamlens(model, layer, [0], STEPS)) / STEPS
            ),
            "horama, one": lambda layer=layer: seconds(lambda: with_horama(model, layer, 0, STEPS)) / STEPS,
        }
        times: dict[str, list[float]] = {name: [] for name in jobs}
        for turn in range(ROUNDS + 1):
            for name, job in jobs.items():
                taken = job()
                if turn:
                    times[name].append(taken)
        found[layer] = {"seconds": times, "execution": EXECUTIONS[net.name, layer, 8]}
        print(layer, {n: f"{min(t):.4f}" for n, t in times.items()}, file=sys.stderr, flush=True)
    return found


def clean(net: Net, layer: str, units: list[int], images: torch.Tensor, *, enlarged: bool) -> list[float]:
    """Mean activation of each picture's unit; for tools that show the network 224 px, also at these."""
    views = [images.float()]
    if enlarged:
        views.append(
            torch.nn.functional.interpolate(images.float(), size=224, mode="bilinear", align_corners=True)
        )
    rows = torch.arange(len(units))
    with torch.no_grad():
        maps = [cs.record(net, view, [layer]).popitem()[1][rows, torch.tensor(units)] for view in views]
    return torch.stack([m.flatten(1).mean(1) for m in maps]).amax(0).tolist()


def activation() -> dict[str, Any]:
    """Time and clean activation of every tool's pictures, of the same units."""
    net = cs.load("efficientnet_lite0")
    model = Normalised(net).eval()
    per = {}
    for layer in DEPTHS:
        count = net_units(net, layer)
        per[layer] = [round(i * (count - 1) / (UNITS - 1)) for i in range(UNITS)]
    found: dict[str, Any] = {"units": per, "ours": {}, "lucent": {}, "dreamlens": {}, "long": {}}
    places = [f"{layer}:{u}" for layer, units in per.items() for u in units]
    ours(net, places, 1024 // len(places) + 1)  # measures the execution, once for a machine
    for steps in OURS_STEPS:
        made: list[Any] = []
        taken = seconds(lambda steps=steps, made=made: made.append(ours(net, places, steps)))
        found["ours"][steps] = {"seconds": taken, "scores": made[0].clean_scores.tolist()}
        print(
            "ours", steps, f"{taken:.2f}", sum(made[0].clean_scores.tolist()) / len(places), file=sys.stderr
        )
    for steps in LUCENT_STEPS:
        scores, taken = [], 0.0
        for layer, units in per.items():
            made = []
            taken += seconds(
                lambda layer=layer, units=units, steps=steps, made=made: made.extend(
                    with_lucent(model, layer, units, (steps,))
                )
            )
            scores += clean(net, layer, units, made[-1], enlarged=True)
        found["lucent"][steps] = {"seconds": taken, "scores": scores}
        print("lucent", steps, f"{taken:.2f}", sum(scores) / len(scores), file=sys.stderr)
    scores, taken = [], 0.0
    for layer, units in per.items():
        made = []
        taken += seconds(
            lambda layer=layer, units=units, made=made: made.append(
                with_dreamlens(model, layer, units, DREAMLENS_STEPS)
            )
        )
        scores += clean(net, layer, units, made[-1], enlarged=False)
    found["dreamlens"][DREAMLENS_STEPS] = {"seconds": taken, "scores": scores}
    print("dreamlens", f"{taken:.2f}", sum(scores) / len(scores), file=sys.stderr)
    found["long"] = long_run(net, model, per)
    found["percentiles"] = percentiles(net, places, found)
    return found


def long_run(net: Net, model: Normalised, per: dict[str, list[int]]) -> dict[str, Any]:
    """Lucent's own number of steps, for some of the units, and ours to the same activation."""
    some = {layer: units[1 : 1 + LONG_UNITS] for layer, units in per.items()}
    scores, taken = [], 0.0
    for layer, units in some.items():
        made: list[Any] = []
        taken += seconds(
            lambda layer=layer, units=units, made=made: made.extend(
                with_lucent(model, layer, units, (LONG_STEPS,))
            )
        )
        scores += clean(net, layer, units, made[-1], enlarged=True)
    places = [f"{layer}:{u}" for layer, units in some.items() for u in units]
    mine = {}
    for steps in OURS_STEPS:
        kept: list[Any] = []
        spent = seconds(lambda steps=steps, kept=kept: kept.append(ours(net, places, steps)))
        mine[steps] = {"seconds": spent, "scores": kept[0].clean_scores.tolist()}
    return {
        "lucent": {"seconds": taken, "scores": scores},
        "ours": mine,
        "units": len(places),
        "steps": LONG_STEPS,
    }


def percentiles(net: Net, places: list[str], found: dict[str, Any]) -> dict[str, Any]:
    """How many per cent of real photographs excite each unit less than its picture does."""
    files = sorted(
        path
        for folder in ("open_photos", "flowers", "coco200")
        if (DATA / folder).is_dir()
        for path in (DATA / folder).rglob("*.jpg")
    )[:: 8 if QUICK else 2]
    if not files:
        return {}
    opened = [photos.to_tensor(photos.open_photo(path), net.input_spec) for path in files]
    pictures = (torch.stack(opened) * 255).round().to(torch.uint8)
    data = ImageTensorDataset(pictures, torch.zeros(len(files), dtype=torch.int64), ["photograph"])
    real = real_scores(net, [channel(place) for place in places], data, batch=32)
    tools = {
        "convscope": found["ours"][LUCENT_STEPS[-1]],
        "lucent": found["lucent"][LUCENT_STEPS[-1]],
        "dreamlens": found["dreamlens"][DREAMLENS_STEPS],
    }
    means = {
        tool: float((real < torch.tensor(run["scores"])[:, None]).float().mean()) * 100
        for tool, run in tools.items()
    }
    best = {tool: float((torch.tensor(run["scores"]) / real.amax(1)).median()) for tool, run in tools.items()}
    return {"photographs": len(files), "mean_percentile": means, "median_over_best": best}


def net_units(net: Net, layer: str) -> int:
    from convscope.nets import LayerAddress
    from convscope.see.visualization.objective_parser import unit_count

    return unit_count(net, LayerAddress.parse(layer))


if __name__ == "__main__":
    parts = {"throughput": throughput, "activation": activation}
    wanted = sys.argv[1:] or list(parts)
    print(json.dumps({part: parts[part]() for part in wanted}))
