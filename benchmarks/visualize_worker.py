"""The measurements of `benchmarks.visualize`: each unit by Lucent, then by convscope, in one process.

Every tool makes one picture at a time, with one thread; what counts are seconds of this process's own
processor time, which other programs on the machine change little.
"""

import base64
import io
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import convscope as cs
from benchmarks.visualize_speed_worker import DATA, QUICK, SIDE, Normalised, lucent, own_state
from convscope.nets import Net
from convscope.see import clipped_shares, robust_scores, visualize
from convscope.see.optimize.objectives.objective import Objective
from convscope.see.visualization import clean_scores
from convscope.see.visualization.objective_parser import parse_targets
from convscope.worlds.images import photos

LUCENT_STEPS = 4 if QUICK else 48
OURS_STEPS = (2, 4) if QUICK else (8, 16, 32, 128)
"""The last is the default of the verb; the others find when Lucent's activation is reached."""
PLACES = {
    "efficientnet_lite0": (
        "blocks.2.1:7",
        "blocks.3.1:20",
        "blocks.4.1:7",
        "blocks.5.2:11",
        "output:1",
        "output:281",
    ),
    "squeezenet1_1": (
        "features.4:10",
        "features.7:20",
        "features.9:40",
        "features.12:100",
        "output:1",
        "output:281",
    ),
}
"""Channels from early to late, and two classes: goldfish and tabby."""


def networks() -> dict[str, Net]:
    """EfficientNet-lite0, which ships, and SqueezeNet 1.1 where its weights are beside the checkout."""
    found = {"efficientnet_lite0": cs.load("efficientnet_lite0")}
    weights = DATA / "weights" / "squeezenet1_1.fp16.safetensors"
    if weights.is_file():
        net = cs.load("torchvision/squeezenet1_1", weights=None, seed=0)
        net.module.load_state_dict({name: value.float() for name, value in load_file(weights).items()})
        found["squeezenet1_1"] = net
    else:
        print(f"SqueezeNet is left out: no {weights}", file=sys.stderr)
    return found


def with_lucent(model: Normalised, place: str, steps: int) -> torch.Tensor:
    """One picture `[1 3 h w]`, as Lucent's own examples make it."""
    layer, _, unit = place.partition(":")
    name = "labels" if layer == "output" else "body_" + layer.replace(".", "_")
    with own_state(model):
        made = lucent.optvis.render.render_vis(
            model,
            f"{name}:{unit}",
            lambda: lucent.optvis.param.image(SIDE),
            thresholds=(steps,),
            preprocess=False,
            progress=False,
            show_image=False,
        )
    return torch.from_numpy(made[-1]).permute(0, 3, 1, 2)


def timed(job: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    found = job()
    return found, time.process_time() - started


def measures(net: Net, goal: Objective, image: torch.Tensor, *, enlarged: bool) -> dict[str, Any]:
    """The same functions for every tool; `enlarged`: also at 224 px, if that excites the unit more."""
    views = [image] + [F.interpolate(image, size=224, mode="bilinear", align_corners=False)] * enlarged
    picture = io.BytesIO()
    photos.to_pil(image[0], net.input_spec).save(picture, "PNG")
    return {
        "clean": max(float(clean_scores(net, [goal], view)[0]) for view in views),
        "robust": float(robust_scores(net, [goal], image)[0]),
        "clipped": float(clipped_shares(image, net.input_spec)[0]),
        "png": base64.b64encode(picture.getvalue()).decode(),
    }


def one_unit(net: Net, model: Normalised, place: str) -> dict[str, Any]:
    low, high = net.input_spec.value_range
    image, seconds = timed(lambda: with_lucent(model, place, LUCENT_STEPS))
    ours: dict[int, dict[str, Any]] = {}
    (goal,) = (target.goal for target in parse_targets(net, [place], "mean"))
    for steps in OURS_STEPS:
        made, taken = timed(lambda steps=steps: visualize(net, place, size=[SIDE], steps=steps))
        ours[steps] = {"seconds": taken, **measures(net, goal, made.images, enlarged=False)}
    shown = low + (high - low) * image.float()
    theirs = {"seconds": seconds, **measures(net, goal, shown, enlarged=True)}
    return {"lucent": theirs, "ours": ours}


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    nets = networks()
    models = {name: Normalised(net).eval() for name, net in nets.items()}
    found: dict[str, Any] = {}
    for turn in range(1 if QUICK else max(map(len, PLACES.values()))):
        for name, net in nets.items():
            place = PLACES[name][turn]
            key = f"{name} {place}"
            found[key] = one_unit(net, models[name], place)
            line = {
                who: {k: round(v, 3) for k, v in run.items() if k != "png"}
                for who, run in (("lucent", found[key]["lucent"]), *found[key]["ours"].items())
            }
            print(key, line, file=sys.stderr, flush=True)
    print(json.dumps({"lucent_steps": LUCENT_STEPS, "load": os.getloadavg()[0], "pictures": found}))


if __name__ == "__main__":
    main()
