"""ResNet-20 for CIFAR-10, against the published implementation's weights and a plain forward pass."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.nn import functional

from convscope import nets
from convscope.nets.zoo.published.resnet_cifar import CLASSES, resnet_cifar

DATA = Path(os.environ.get("CONVSCOPE_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
WEIGHTS = DATA / "weights" / "cifar10_resnet20.safetensors"
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
"""With which those weights were trained."""


def renamed(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    found = {}
    for name, value in weights.items():
        new = name.replace("linear.", "dense.")
        if name.startswith("layer"):
            stage, number, rest = name.split(".", 2)
            new = f"stage{stage[-1]}_{number}_{rest}"
        found[new] = value
    return found


def forward(weights: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The network as its paper says it, in torch's functions alone."""

    def unit(x, conv, norm, stride=1):
        made = functional.conv2d(x, weights[f"{conv}.weight"], stride=stride, padding=1)
        names = ("running_mean", "running_var", "weight", "bias")
        return functional.batch_norm(made, *(weights[f"{norm}.{name}"] for name in names))

    x = unit(x, "conv1", "bn1").relu()
    for stage in (1, 2, 3):
        for number in (0, 1, 2):
            name, down = f"layer{stage}.{number}", stage > 1 and number == 0
            made = unit(x, f"{name}.conv1", f"{name}.bn1", 2 if down else 1).relu()
            made = unit(made, f"{name}.conv2", f"{name}.bn2")
            if down:
                extra = x.new_zeros(len(x), x.shape[1] // 2, *made.shape[2:])
                x = torch.cat([extra, x[:, :, ::2, ::2], extra], 1)
            x = (made + x).relu()
    return x.mean((2, 3)) @ weights["linear.weight"].T + weights["linear.bias"]


def invented() -> dict[str, torch.Tensor]:
    """Weights of the published names and shapes, also of the statistics, whose order else hides."""
    generator = torch.Generator().manual_seed(0)
    found = {}
    widths = [(3, 16), *[(16, 16)] * 6, (16, 32), *[(32, 32)] * 5, (32, 64), *[(64, 64)] * 5]
    names = ["", *(f"layer{s}.{n}." for s in (1, 2, 3) for n in range(3) for _ in range(2))]
    for index, (name, (before, channels)) in enumerate(zip(names, widths, strict=True)):
        which = 1 if index == 0 else 2 - index % 2
        found[f"{name}conv{which}.weight"] = torch.randn(channels, before, 3, 3, generator=generator) / 10
        for part in ("weight", "bias", "running_mean", "running_var"):
            found[f"{name}bn{which}.{part}"] = torch.rand(channels, generator=generator) + 0.5
    found["linear.weight"] = torch.randn(10, 64, generator=generator)
    found["linear.bias"] = torch.randn(10, generator=generator)
    return found


def loaded(weights: dict[str, torch.Tensor]) -> torch.nn.Module:
    module = nets.build(resnet_cifar(3), seed=0)
    missing, unexpected = module.load_state_dict(renamed(weights), strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing)
    return module.eval()


def test_its_parameters_are_the_papers_and_its_stages_have_the_papers_sizes():
    """Table 6 of the paper: 0.27 million for 20 layers, 0.85 for 56."""
    module = nets.load("resnet20").module
    assert sum(p.numel() for p in module.parameters()) == 269_722
    assert sum(p.numel() for p in nets.build(resnet_cifar(9), seed=0).parameters()) == 853_018
    shapes = resnet_cifar(3).shapes
    assert [shapes[f"stage{s}_2_relu2"] for s in (1, 2, 3)] == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]
    convolutions = [name for name in shapes if "conv" in name]
    assert len(convolutions) + 1 == 20


def test_it_is_the_network_of_the_paper_written_out():
    weights, x = invented(), torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(loaded(weights)(x), forward(weights, x), atol=1e-3, rtol=1e-4)


def cifar10(count: int) -> tuple[torch.Tensor, list[int]]:
    sheets = []
    for number in range(-(-count // 1000)):
        with Image.open(DATA / "cifar10" / f"test_{number:02d}.webp") as image:
            tiles = np.asarray(image.convert("RGB")).reshape(25, 32, 40, 32, 3).transpose(0, 2, 1, 3, 4)
        sheets.append(tiles.reshape(1000, 32, 32, 3))
    pixels = torch.from_numpy(np.concatenate(sheets)).permute(0, 3, 1, 2).float() / 255
    labels = json.loads((DATA / "cifar10" / "test_labels.json").read_text(encoding="utf-8"))
    return pixels[:count], labels[:count]


@pytest.mark.skipif(not WEIGHTS.exists(), reason="no published weights of ResNet-20 beside the checkout")
@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=(pytest.mark.slow, pytest.mark.long))])
def test_the_published_weights_have_their_published_accuracy_in_it(count):
    """91.73% on all 10,000 test images: github.com/akamaster/pytorch_resnet_cifar10."""
    module, (pixels, labels) = loaded(load_file(WEIGHTS)), cifar10(count)
    inputs = (pixels - MEAN[:, None, None]) / STD[:, None, None]
    with torch.no_grad():
        answers = torch.cat([module(part).argmax(1) for part in inputs.split(250)])
    right = int((answers == torch.tensor(labels)).sum())
    if count == 10_000:
        assert right == 9173
    assert 0.88 < right / count < 0.95
    assert len(CLASSES) == 10
