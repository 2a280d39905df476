"""Class activation maps beside grad-cam and torchcam on a network of torchvision; both are optional."""

import warnings

import pytest
import torch

from convscope.nets import Net, load
from convscope.see.attribution.explanation import explain
from convscope.see.attribution.methods.cam import layer_gradient
from convscope.see.attribution.registry import get_method
from convscope.see.attribution.target import make_task

PLACES = ("layer4", "layer2")


@pytest.fixture(scope="module")
def net() -> Net:
    made = load("torchvision/resnet18", weights=None, seed=3)
    made.module.eval()
    return made


def scaled(maps: torch.Tensor) -> torch.Tensor:
    low, high = maps.flatten(1).amin(1), maps.flatten(1).amax(1)
    return (maps - low.view(-1, 1, 1)) / (high - low).clamp_min(1e-12).view(-1, 1, 1)


@pytest.mark.exhaustive
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("name", "theirs"), [("gradcam", "GradCAM"), ("gradcam++", "GradCAMPlusPlus"), ("layercam", "LayerCAM")]
)
def test_maps_are_grad_cams(net, name, theirs, place):
    other = pytest.importorskip("pytorch_grad_cam", reason="pip install grad-cam==1.5.7")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    images = torch.rand(2, 3, 96, 128, generator=torch.Generator().manual_seed(0))
    (ready,) = net.normalise(images)
    with getattr(other, theirs)(model=net.module, target_layers=[net.module.get_submodule(place)]) as cam:
        wanted = cam(input_tensor=ready, targets=[ClassifierOutputTarget(k) for k in (3, 700)])
    found = explain(net, images, name, [3, 700], checks=(), layer=place).heatmap
    assert torch.allclose(scaled(found), torch.from_numpy(wanted), atol=1e-4)


@pytest.mark.exhaustive
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("name", "theirs"), [("gradcam", "GradCAM"), ("layercam", "LayerCAM")])
def test_maps_are_torchcams(net, name, theirs, place):
    methods = pytest.importorskip("torchcam.methods", reason="pip install torchcam==0.5.0")
    image = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(1))
    (ready,) = net.normalise(image)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with getattr(methods, theirs)(net.module, target_layer=net.module.get_submodule(place)) as cam:
            wanted = cam(5, net.module(ready.clone().requires_grad_()))[0]
    chosen = get_method(name, layer=place)
    task = make_task(net, image, 5)
    found = chosen.weigh_maps(*layer_gradient(task, chosen.place(task), [0]))[:, 0]
    assert torch.allclose(scaled(found), wanted, atol=1e-4)
