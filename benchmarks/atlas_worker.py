"""The measurements of the atlas's sheet (`scripts/make_peer_sheets.py`), in one process with dreamlens.

python -m benchmarks.atlas_worker

dreamlens 0.1.1 has Lucid's recipe of an activation atlas for PyTorch. Cells and their mean vectors are those
of convscope's atlas; dreamlens draws them anew, in as many steps as fit into convscope's seconds of drawing.
"""

import base64
import io
import json
import os
import sys
import time
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from dreamlens.atlas import chunked
from dreamlens.render import render_icons
from PIL import Image
from torch.nn.functional import cosine_similarity, normalize

import convscope as cs
from convscope.nets import LayerAddress, Net, frozen
from convscope.see import Atlas, activations, clipped_shares
from convscope.see.activation_atlas.build import ATTRIBUTION, iter_atlas
from convscope.see.activation_atlas.recipe import AtlasRecipe
from convscope.see.features.sampling import ActivationSample, iter_sample_activations
from convscope.show.pages import atlas as page
from convscope.system.progress import last_result
from convscope.worlds import open_labelled
from convscope.worlds.dataset import LabelledDataset

DATA = Path(os.environ.get("CONVSCOPE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
NET, LAYER = "efficientnet_lite0", "blocks.5"
IMAGES, HELD_OUT = 80, 40
"""Photographs of the atlas, and others on which its names are tested."""
SETTINGS = {"per_image": 4, "layout": "pca", "grid": 4, "min_count": 6, "size": 96}
TRIED, AT_ONCE = 2, 32
"""Steps that tell the seconds of one; images at once, both tools' default."""


def main() -> None:
    torch.set_num_threads(1)
    net = cs.load(NET)
    data, others = (
        every(open_labelled(str(DATA / "flowers" / part), net.input_spec), count)
        for part, count in (("train", IMAGES), ("val", HELD_OUT))
    )
    made, seconds = ours(net, data)
    print(f"convscope: {seconds:.0f} s, {len(made)} cells", file=sys.stderr, flush=True)
    means = torch.stack([cell.mean for cell in made.cells])
    theirs = with_dreamlens(net, means, seconds)
    tools = {
        "convscope": {
            "steps": made.recipe.steps,
            "seconds": seconds,
            "cells": len(made),
            **measured(net, made.images, means),
            **names_tested(made, means, sampled(net, others), others),
            "png": coded(page.sheet(made, net)),
        },
        "dreamlens": {
            "steps": theirs["steps"],
            "seconds": theirs["seconds"],
            "cells": len(made),
            **measured(net, theirs["images"], means),
            "png": coded(page.sheet(replace(made, images=theirs["images"], regions=()), net)),
        },
    }
    print(json.dumps({"photographs": len(data), **tools}))


def ours(net: Net, data: LabelledDataset) -> tuple[Atlas, float]:
    """The atlas, and the seconds in which its cells were drawn."""
    recipe = AtlasRecipe.parse({"net": NET, "layer": LAYER, "data": data.name, **SETTINGS})
    steps = iter_atlas(net, data, recipe)
    with frozen(net.module):
        first = next(step for step in steps if step.fraction >= ATTRIBUTION and step.result() is not None)
        started = time.process_time()
        made = last_result(chain([first], steps), "an atlas")
    return made, time.process_time() - started


def every(data: LabelledDataset, count: int) -> LabelledDataset:
    """So many photographs at equal distances, of every class as many."""
    return data.take(range(0, len(data), len(data) // count))


def sampled(net: Net, data: LabelledDataset) -> ActivationSample:
    """The vectors from which convscope makes its atlas of this data."""
    place = LayerAddress.parse(LAYER)
    each = SETTINGS["per_image"]
    return last_result(iter_sample_activations(net, data, place, most=len(data), each=each), "vectors")


def with_dreamlens(net: Net, means: torch.Tensor, seconds: float) -> dict[str, Any]:
    """The same cells by `dreamlens.render.render_icons`, in so many seconds."""
    directions = list(means.numpy())
    tried = time.process_time()
    icons(net, directions, TRIED)
    steps = max(1, int(seconds * TRIED / (time.process_time() - tried)))
    print(f"dreamlens: {steps} steps", file=sys.stderr, flush=True)
    started = time.process_time()
    drawn = icons(net, directions, steps)
    taken = time.process_time() - started
    low, high = net.input_spec.value_range
    images = torch.stack([torch.from_numpy(icon).permute(2, 0, 1) for icon in drawn])
    return {"steps": steps, "seconds": taken, "images": low + (high - low) * images}


def icons(net: Net, directions: list[Any], steps: int) -> list[Any]:
    """The images of cells by dreamlens, with its defaults in an atlas but for the side and the steps."""
    low, high = net.input_spec.value_range
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (net.input_spec.mean, net.input_spec.std))
    drawn: list[Any] = []
    for part in chunked(directions, AT_ONCE):
        drawn += render_icons(
            part,
            net.module,
            layer=LAYER,
            size=SETTINGS["size"],
            n_steps=steps,
            num_attempts=1,
            preprocess=lambda image: (low + image * (high - low) - mean) / std,
        )[0]
    return drawn


def measured(net: Net, images: torch.Tensor, means: torch.Tensor) -> dict[str, float]:
    """What the layer says to each cell's finished image, beside the mean of the cell's real vectors."""
    said = activations(net, images, [LAYER])[LAYER].flatten(2).mean(2)
    along = (said * normalize(means, dim=1)).sum(1) / means.norm(dim=1)
    return {
        "cosine": float(cosine_similarity(said, means).mean()),
        "strength": float(along.mean()),
        "clipped": float(clipped_shares(images, net.input_spec).mean()),
    }


def names_tested(
    made: Atlas, means: torch.Tensor, vectors: ActivationSample, data: LabelledDataset
) -> dict[str, float]:
    """How often a label that names a cell is right for photographs that the atlas was not made from."""
    nearest = (normalize(vectors.values, dim=1) @ normalize(means, dim=1).T).argmax(1).tolist()
    labels = [data.classes[label] for label in data.labels[vectors.images].tolist()]
    names = [made.cells[cell].label for cell in nearest]
    right = [name.name == label for name, label in zip(names, labels, strict=True) if name]
    return {
        "named": sum(cell.label is not None for cell in made.cells),
        "tested": len(right),
        "right": sum(right) / max(len(right), 1),
        "chance": max(labels.count(label) for label in set(labels)) / len(labels),
    }


def coded(image: Image.Image) -> str:
    picture = io.BytesIO()
    image.save(picture, "PNG")
    return base64.b64encode(picture.getvalue()).decode()


if __name__ == "__main__":
    main()
