"""Every verb of see on the smallest member of each family of torchvision and timm, with fresh weights."""

import warnings

import pytest
import timm
import torch
import torchvision
from tests.any_network.untouched import untouched
from tests.any_network.verbs import VERBS
from torch import nn

from convscope.graph import TensorSpec
from convscope.nets import Net, wrap

torch.set_num_threads(1)

TORCHVISION = {
    "alexnet": 64,
    "vgg11": 64,
    "vgg11_bn": 64,
    "resnet18": 64,
    "squeezenet1_1": 64,
    "densenet121": 64,
    "inception_v3": 96,
    "googlenet": 64,
    "shufflenet_v2_x0_5": 64,
    "mobilenet_v2": 64,
    "mobilenet_v3_small": 64,
    "resnext50_32x4d": 64,
    "mnasnet0_5": 64,
    "efficientnet_b0": 64,
    "regnet_y_400mf": 64,
    "convnext_tiny": 64,
    "swin_t": 64,
}
TIMM = {
    "vit_tiny_patch16_224": 64,
    "deit_tiny_patch16_224": 64,
    "mixer_s32_224": 64,
    "resmlp_12_224": 64,
    "gmlp_ti16_224": 64,
    "xcit_nano_12_p16_224": 64,
    "ghostnet_050": 64,
    "hardcorenas_a": 64,
    "rexnet_100": 64,
    "tinynet_e": 64,
    "lcnet_050": 64,
    "mobilevit_xxs": 64,
    "edgenext_xx_small": 64,
    "repvgg_a0": 64,
    "mobileone_s0": 64,
    "dla46_c": 64,
    "hrnet_w18_small": 64,
    "poolformer_s12": 64,
    "pvt_v2_b0": 64,
    "fastvit_t8": 64,
    "nf_regnet_b0": 64,
    "skresnet18": 64,
    "legacy_seresnet18": 64,
    "res2net50_26w_4s": 64,
    "tf_efficientnet_lite0": 64,
}
FEW = ("gradcam", "integrated", "guided", "lrp")
"""Methods of explaining that are tried here; all of them are in test_hostile."""
SIZED = ("vit_", "deit_", "mixer_", "resmlp_", "gmlp_", "xcit_")
"""Families that are built for one size."""
AUXILIARY = {"inception_v3": {"init_weights": False}, "googlenet": {"init_weights": False}}


def build(name: str, library: str) -> Net:
    torch.manual_seed(0)
    size = (TORCHVISION if library == "torchvision" else TIMM)[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if library == "torchvision":
            module: nn.Module = torchvision.models.get_model(name, weights=None, **AUXILIARY.get(name, {}))
        else:
            sized = {"img_size": size} if name.startswith(SIZED) else {}
            module = timm.create_model(name, pretrained=False, **sized)
    module.train()
    return wrap(module, TensorSpec((3, size, size)), name=name)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("name", "library"), [*((n, "torchvision") for n in TORCHVISION), *((n, "timm") for n in TIMM)]
)
def test_every_verb_works_and_leaves_no_trace(name: str, library: str) -> None:
    net = build(name, library)
    for label, verb in VERBS.items():
        with untouched(net.module):
            try:
                verb(net, FEW) if label == "explain" else verb(net)
            except Exception as error:
                error.add_note(f"{label} of {name}")
                raise


def test_there_are_at_least_25_families() -> None:
    assert len(TORCHVISION) + len(TIMM) >= 25
