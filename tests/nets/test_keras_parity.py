"""Equal counts do not prove equal networks: the same weights must give the same answers."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from convscope.nets.adapters.torchvision_models import build_module

SCRIPT = Path(__file__).parents[1] / "reference" / "keras_forward.py"
PYTHON = os.environ.get("CONVSCOPE_KERAS_PYTHON", sys.executable)
"""Another interpreter that has Keras, if this one has not."""

pytestmark = [pytest.mark.oracle, pytest.mark.exhaustive]


def resnet50():
    """Keras strides in the first 1x1 of a stage (version 1), torchvision in the 3x3."""
    module, names = build_module("resnet50"), {"conv1": "conv1_conv", "bn1": "conv1_bn", "fc": "predictions"}
    for stage, blocks in enumerate((3, 4, 6, 3), start=1):
        first = module.get_submodule(f"layer{stage}.0")
        first.conv1.stride, first.conv2.stride = first.conv2.stride, (1, 1)
        for block in range(blocks):
            here, there = f"layer{stage}.{block}", f"conv{stage + 1}_block{block + 1}"
            for i in (1, 2, 3):
                names |= {f"{here}.conv{i}": f"{there}_{i}_conv", f"{here}.bn{i}": f"{there}_{i}_bn"}
        names |= {f"layer{stage}.0.downsample.0": f"conv{stage + 1}_block1_0_conv"}
        names |= {f"layer{stage}.0.downsample.1": f"conv{stage + 1}_block1_0_bn"}
    return module, names, 1.001e-5, True


def densenet121():
    module = build_module("densenet121")
    names = {
        "features.conv0": "conv1_conv",
        "features.norm0": "conv1_bn",
        "features.norm5": "bn",
        "classifier": "predictions",
    }
    for stage, blocks in enumerate((6, 12, 24, 16), start=1):
        for block in range(1, blocks + 1):
            here, there = f"features.denseblock{stage}.denselayer{block}", f"conv{stage + 1}_block{block}"
            names |= {f"{here}.norm1": f"{there}_0_bn", f"{here}.conv1": f"{there}_1_conv"}
            names |= {f"{here}.norm2": f"{there}_1_bn", f"{here}.conv2": f"{there}_2_conv"}
        if stage < 4:
            here, there = f"features.transition{stage}", f"pool{stage + 1}"
            names |= {f"{here}.norm": f"{there}_bn", f"{here}.conv": f"{there}_conv"}
    return module, names, 1.001e-5, False


def mobilenet_v2():
    """At 225 pixels every stride meets an odd size, where Keras' padding is symmetric like torch's."""
    module = build_module("mobilenet_v2")
    names = {
        "features.0.0": "Conv1",
        "features.0.1": "bn_Conv1",
        "features.18.0": "Conv_1",
        "features.18.1": "Conv_1_bn",
        "classifier.1": "predictions",
        "features.1.conv.0.0": "expanded_conv_depthwise",
        "features.1.conv.0.1": "expanded_conv_depthwise_BN",
        "features.1.conv.1": "expanded_conv_project",
        "features.1.conv.2": "expanded_conv_project_BN",
    }
    for block in range(2, 18):
        here, there = f"features.{block}.conv", f"block_{block - 1}"
        for i, part in enumerate(("expand", "depthwise")):
            names |= {f"{here}.{i}.0": f"{there}_{part}", f"{here}.{i}.1": f"{there}_{part}_BN"}
        names |= {f"{here}.2": f"{there}_project", f"{here}.3": f"{there}_project_BN"}
    return module, names, 1e-3, False


def randomise(module: nn.Module, eps: float) -> None:
    """Statistics that differ from 0 and 1, so that a normalisation in the wrong place shows.

    And weights through which the picture's differences reach the end, depthwise ones included.
    """
    generator = torch.Generator().manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, generator=generator)
        if isinstance(part, nn.BatchNorm2d):
            part.eps = eps
            part.running_mean.normal_(0, 0.1, generator=generator)
            part.running_var.uniform_(0.5, 1.5, generator=generator)
            nn.init.uniform_(part.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(part.bias, 0, 0.1, generator=generator)


def in_keras_order(part: nn.Module, biased: bool) -> list[np.ndarray]:
    if isinstance(part, nn.BatchNorm2d):
        return [t.detach().numpy() for t in (part.weight, part.bias, part.running_mean, part.running_var)]
    if isinstance(part, nn.Linear):
        return [part.weight.detach().numpy().T, part.bias.detach().numpy()]
    depthwise = part.groups > 1
    kernel = part.weight.detach().numpy().transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
    return [kernel, np.zeros(part.out_channels, "float32")] if biased else [kernel]


@pytest.mark.parametrize(
    ("keras_name", "make", "size"),
    [("ResNet50", resnet50, 64), ("DenseNet121", densenet121, 64), ("MobileNetV2", mobilenet_v2, 225)],
)
def test_copied_weights_give_keras_answers(keras_name, make, size, tmp_path):
    if sys.executable == PYTHON:
        pytest.importorskip("keras")
    torch.manual_seed(0)
    module, names, eps, biased = make()
    randomise(module, eps)
    image = torch.rand(2, 3, size, size) * 2 - 1
    arrays = {"image": image.permute(0, 2, 3, 1).numpy()}
    weighted = [n for n, m in module.named_modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d | nn.Linear)]
    assert {*weighted} == {*names}
    for here, there in names.items():
        for i, array in enumerate(in_keras_order(module.get_submodule(here), biased)):
            arrays[f"{there}/{i}"] = array
    np.savez(tmp_path / "in.npz", **arrays)
    command = [PYTHON, str(SCRIPT), keras_name, str(tmp_path / "in.npz"), str(tmp_path / "out.npz")]
    subprocess.run(command, env={**os.environ, "KERAS_BACKEND": "jax"}, check=True, capture_output=True)
    theirs = np.load(tmp_path / "out.npz", allow_pickle=False)["logits"]
    with torch.no_grad():
        ours = module.eval()(image).numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max(), rtol=1e-4)
    assert np.abs(theirs[0] - theirs[1]).max() > 1e-3 * np.abs(theirs).max()  # they do depend on the picture
