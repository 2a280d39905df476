"""The lecture's table of pretrained networks, next to counts of the modules that run here.

The printed values are historical data, with the edition they come from. The others are counted on the meta
device each time, so that they hold for this installation. The relation between Keras' totals and torch's is
counted, too: Keras counts the running statistics of batch normalisation, gives some convolutions a bias
that a following normalisation makes redundant, and leaves out some scales.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from convscope.errors import UsageError, nearest

if TYPE_CHECKING:
    from torch import nn

LECTURE = "the lecture; Keras documentation 2.1, 2018"
KERAS_2018 = "Keras documentation 2.1, 2018"
KERAS_2019 = "Keras documentation 2.3, 2019"

BYTES_PER_VALUE = 4
MEBIBYTE = 2**20
"""Bytes in a megabyte of the printed table."""


@dataclass(frozen=True)
class Difference:
    """Difference between Keras' parameters and the module's; both compute the same function.

    Args:
        biased: regular expression for the names of the convolutions that have a bias in Keras and none
            here; empty for none.
        unscaled: whether batch normalisation has no scale in Keras.
    """

    biased: str = ""
    unscaled: bool = False


EQUAL = Difference()
ALL_BIASED = Difference(biased=r".")
V2_BIASED = Difference(biased=r"stem\.conv$|\.conv3$|downsample\.conv$")
UNSCALED = Difference(unscaled=True)


@dataclass(frozen=True)
class Row:
    """One row of the printed table; None where no edition prints a number.

    Attributes:
        name: name of the network in Keras.
        reference: the module that is counted: `torchvision/...`, `timm/...` or `nasnet-mobile`.
        input_size: height and width of the input in pixels.
        size_mb: size of the weights in units of 2**20 bytes.
        top1: top-1 accuracy on ImageNet, in [0, 1].
        top5: top-5 accuracy on ImageNet, in [0, 1].
        parameters: Keras' total.
        depth: Keras' own count of layers, including activations and normalisations; no longer reproducible,
            shown for history.
        edition: where the row was printed.
        difference: what Keras counts differently.
    """

    name: str
    reference: str
    input_size: int
    size_mb: int | None
    top1: float | None
    top5: float | None
    parameters: int | None
    depth: int | None
    edition: str
    difference: Difference = EQUAL


KERAS_MODELS = (
    Row("Xception", "timm/legacy_xception", 299, 88, 0.790, 0.945, 22_910_480, 126, LECTURE),
    Row("VGG16", "torchvision/vgg16", 224, 528, 0.715, 0.901, 138_357_544, 23, LECTURE),
    Row("VGG19", "torchvision/vgg19", 224, 549, 0.727, 0.910, 143_667_240, 26, LECTURE),
    Row("ResNet50", "torchvision/resnet50", 224, 99, 0.759, 0.929, 25_636_712, 168, LECTURE, ALL_BIASED),
    Row("InceptionV3", "torchvision/inception_v3", 299, 92, 0.788, 0.944, 23_851_784, 159, LECTURE, UNSCALED),
    Row(
        "InceptionResNetV2",
        "timm/inception_resnet_v2",
        299,
        215,
        0.804,
        0.953,
        55_873_736,
        572,
        LECTURE,
        UNSCALED,
    ),
    Row("MobileNet", "timm/mobilenetv1_100", 224, 17, 0.665, 0.871, 4_253_864, 88, LECTURE),
    Row("MobileNetV2", "torchvision/mobilenet_v2", 224, 14, 0.713, 0.901, 3_538_984, 88, KERAS_2019),
    Row("DenseNet121", "torchvision/densenet121", 224, 33, 0.745, 0.918, 8_062_504, 121, KERAS_2018),
    Row("DenseNet169", "torchvision/densenet169", 224, 57, 0.759, 0.928, 14_307_880, 169, KERAS_2018),
    Row("DenseNet201", "torchvision/densenet201", 224, 80, 0.770, 0.933, 20_242_984, 201, KERAS_2018),
    Row("NASNetMobile", "nasnet-mobile", 224, 23, 0.744, 0.919, 5_326_716, None, KERAS_2019),
    Row("NASNetLarge", "timm/nasnetalarge", 331, 343, 0.825, 0.960, 88_949_818, None, KERAS_2019),
    Row(
        "ResNet101", "torchvision/resnet101", 224, 171, 0.764, 0.928, 44_707_176, None, KERAS_2019, ALL_BIASED
    ),
    Row(
        "ResNet152", "torchvision/resnet152", 224, 232, 0.766, 0.931, 60_419_944, None, KERAS_2019, ALL_BIASED
    ),
    Row("ResNet50V2", "timm/resnetv2_50", 224, 98, 0.760, 0.930, 25_613_800, None, KERAS_2019, V2_BIASED),
    Row("ResNet101V2", "timm/resnetv2_101", 224, 171, 0.772, 0.938, 44_675_560, None, KERAS_2019, V2_BIASED),
    Row("ResNet152V2", "timm/resnetv2_152", 224, 232, 0.780, 0.942, 60_380_648, None, KERAS_2019, V2_BIASED),
)


@dataclass(frozen=True)
class ParameterCounts:
    """Counts of the module that runs here, for one row.

    Args:
        row: the printed row.
        parameters: trainable values of the module, without auxiliary heads.
        statistics: values of the running means and variances of batch normalisation.
        biases: values of the biases that only Keras has.
        scales: values of the normalisation scales that only this module has.
        depth: convolutions and dense layers on the longest path from input to output.
    """

    row: Row
    parameters: int
    statistics: int
    biases: int
    scales: int
    depth: int

    @property
    def keras_trainable(self) -> int:
        """Keras' trainable parameters, derived from this module."""
        return self.parameters + self.biases - self.scales

    @property
    def keras_total(self) -> int:
        """Keras' total, derived from this module."""
        return self.keras_trainable + self.statistics

    @property
    def size_mb(self) -> float:
        """Keras' total in single precision, in units of 2**20 bytes like the table; without file headers."""
        return self.keras_total * BYTES_PER_VALUE / MEBIBYTE

    @property
    def agrees(self) -> bool:
        """Whether the derived total is the printed one."""
        return self.keras_total == self.row.parameters

    @property
    def relation(self) -> str:
        """How Keras' trainable count follows from this module's, in words."""
        if self.biases:
            return f"equal plus {self.biases:,} convolution biases"
        if self.scales:
            return f"equal minus {self.scales:,} normalisation scales"
        return "equal"


def row(name: str) -> Row:
    """Return the printed row of one network.

    Args:
        name: name of the network in Keras, in any case.

    Returns:
        The row.

    Raises:
        UsageError: there is no such row.
    """
    for each in KERAS_MODELS:
        if each.name.lower() == name.lower():
            return each
    raise UsageError(
        "a network of Keras' table", received=name, hint=nearest(name, [r.name for r in KERAS_MODELS])
    )


def keras_table() -> Iterator[ParameterCounts]:
    """Iterate over all rows with their counts; nothing is downloaded and no weights are allocated."""
    for each in KERAS_MODELS:
        yield count(each)


@cache
def count(row: Row) -> ParameterCounts:
    """Count one network on the meta device; cached.

    Args:
        row: the printed row.

    Returns:
        The counts of its module.
    """
    import torch
    from torch import nn

    from convscope.nets.description.depth import depth

    module = module_of(row)
    convolutions = {n: m for n, m in module.named_modules() if isinstance(m, nn.Conv2d)}
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    biased = [
        m.out_channels
        for name, m in convolutions.items()
        if row.difference.biased and m.bias is None and re.search(row.difference.biased, name)
    ]
    scales = [m.weight.numel() for m in norms if row.difference.unscaled]
    return ParameterCounts(
        row=row,
        parameters=sum(p.numel() for p in module.parameters()),
        statistics=sum(b.numel() for m in norms for b in (m.running_mean, m.running_var) if b is not None),
        biases=sum(biased),
        scales=sum(scales),
        depth=depth(module, torch.empty(1, 3, row.input_size, row.input_size, device="meta")),
    )


def module_of(row: Row) -> "nn.Module":
    """Build the module of a row on the meta device: shapes without values.

    Args:
        row: the printed row.

    Returns:
        The module.
    """
    import torch

    library, _, name = row.reference.partition("/")
    with torch.device("meta"):
        if library == "torchvision":
            from convscope.nets.adapters.torchvision_models import build_module

            return build_module(name)
        if library == "timm":
            from convscope.nets.adapters.timm_models import build_module

            return build_module(name)
        from convscope.nets.zoo.published.nasnet_mobile import NASNetAMobile

        return NASNetAMobile()


@cache
def keras_counts() -> dict[str, dict[str, int]]:
    """Return what Keras 3 itself counted in each network: see `scripts/count_keras.py`."""
    text = files("convscope.nets").joinpath("data/keras_counts.json").read_text(encoding="utf-8")
    return json.loads(text)["models"]
