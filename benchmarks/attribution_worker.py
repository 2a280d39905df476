"""The measurements of `benchmarks.attribution`, in one process with the peers, taken in turns."""

import json
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import captum.attr
import pytorch_grad_cam
import torch
import torchcam.methods
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gemm import flops
from convscope import nets
from convscope.nets import Net, frozen
from convscope.see.attribution.explanation import iter_explain
from convscope.see.attribution.registry import get_method
from convscope.see.attribution.target import make_task
from convscope.worlds.images.photos import open_photo, to_tensor

DATA = Path(os.environ.get("CONVSCOPE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
PHOTOS = sorted((DATA / "open_photos").glob("*.jpg"))[:8]
"""For the statistics of networks with fresh weights; the first is explained."""
QUICK = os.environ.get("CONVSCOPE_BENCH") == "quick"
NETWORKS = {
    "torchvision/resnet50": "layer4",
    "torchvision/vgg16": "features.29",
    "torchvision/googlenet": "inception5b",
    "efficientnet_lite0": "bn2",
}
SLOW = ("torchvision/googlenet", "efficientnet_lite0")
"""Where occlusion and integrated gradients are timed: hundreds of passes, some minutes for each network."""
ROUNDS, CAM_ROUNDS = (1 if QUICK else 2), (2 if QUICK else 7)
WINDOW, STRIDE, STEPS = (96, 64, 6) if QUICK else (32, 16, 50)

Job = Callable[[], Tensor]


def main() -> None:
    torch.manual_seed(0)
    found = []
    for ref, layer in list(NETWORKS.items())[: 1 if QUICK else None]:
        net = answering(ref)
        image = pictures(net)[:1]
        target = lively(net, image, layer)
        found.append(measured(ref, "gradcam", cams(net, image, layer, target), CAM_ROUNDS))
        if QUICK or ref in SLOW:
            found.append(measured(ref, "occlusion", occlusions(net, image, target), ROUNDS))
            found.append(
                measured(
                    ref, "integrated", integrals(net, image, target), ROUNDS, exactly(net, image, target)
                )
            )
            found[-1]["floor"] = floor(net, image, target)
    print(json.dumps(found))


def answering(ref: str) -> Net:
    """A network that answers: the trained one where it ships, else normalised by some photographs.

    With fresh weights and the running statistics that layers are born with, GoogLeNet's answers differ in
    the eighth digit only.
    """
    if not ref.startswith("torchvision/"):
        net = nets.load(ref)
        net.module.eval()
        return net
    net = nets.load(ref, weights=None, seed=0)
    norms = [m for m in net.module.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    net.module.eval()
    for norm in norms:
        norm.momentum = None  # the mean over all batches, here one
        norm.reset_running_stats()
        norm.train()
    with torch.no_grad():
        net(pictures(net))
    net.module.eval()
    return net


def pictures(net: Net) -> Tensor:
    """The photographs, as the network's inputs."""
    return torch.stack([to_tensor(open_photo(path), net.input_spec) for path in PHOTOS])


def measured(
    network: str, task: str, jobs: dict[str, Job], rounds: int, exact: Job | None = None
) -> dict[str, Any]:
    """Seconds of each, in turns after one round that does not count; distances from ours, and from exact."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    made: dict[str, Tensor] = {}
    for turn in range(rounds + 1):
        for name, job in jobs.items():
            started = time.perf_counter()
            made[name] = job()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    errors = {}
    if exact is not None:
        wanted = exact()
        errors = {name: float((one - wanted).abs().max() / wanted.abs().max()) for name, one in made.items()}
    ours = made.pop("convscope")
    differs = {name: float((other - ours).abs().max() / other.abs().max()) for name, other in made.items()}
    return {
        "network": network.rpartition("/")[2],
        "task": task,
        "seconds": seconds,
        "differs": differs,
        "errors": errors,
    }


def lively(net: Net, image: Tensor, layer: str) -> int:
    """The first class whose map is not rectified to nothing: with random weights every second one is."""
    return next(k for k in range(1000) if ours(net, image, k, "gradcam", layer=layer)().amax() > 0)


def ours(net: Net, image: Tensor, target: int, name: str, **settings: Any) -> Job:
    chosen = get_method(name, **settings)
    return lambda: (
        deque(iter_explain(make_task(net, image, target), chosen, checks=()), 1).pop().result().attribution
    )


def cams(net: Net, image: Tensor, layer: str, target: int) -> dict[str, Job]:
    module, (ready,) = net.module, net.normalise(image)
    part, mine = module.get_submodule(layer), ours(net, image, target, "gradcam", layer=layer)

    def first() -> Tensor:
        with pytorch_grad_cam.GradCAM(model=module, target_layers=[part]) as cam:
            return torch.from_numpy(cam(input_tensor=ready, targets=[ClassifierOutputTarget(target)]))

    def second() -> Tensor:
        with torchcam.methods.GradCAM(module, target_layer=part) as cam:
            scores = module(ready.clone().requires_grad_())
            small = cam(target, scores)[0][:, None]
        return scaled(torch.nn.functional.interpolate(small, image.shape[2:], mode="bilinear")[:, 0])

    return {"convscope": lambda: scaled(mine()[:, 0]), "grad-cam": first, "torchcam": second}


def scaled(maps: Tensor) -> Tensor:
    maps = maps - maps.amin()
    return maps / maps.amax().clamp_min(1e-7)


def occlusions(net: Net, image: Tensor, target: int) -> dict[str, Job]:
    theirs, (ready,) = captum.attr.Occlusion(net.module), net.normalise(image)

    def job(batch: int) -> Job:
        return lambda: theirs.attribute(
            ready, (3, WINDOW, WINDOW), (3, STRIDE, STRIDE), 0.0, target, perturbations_per_eval=batch
        ).float()

    return {
        "convscope": ours(net, image, target, "occlusion", window=WINDOW, stride=STRIDE),
        "captum": job(1),
        "captum, 16 at once": job(16),
    }


def integrals(net: Net, image: Tensor, target: int) -> dict[str, Job]:
    theirs, (ready,) = captum.attr.IntegratedGradients(net.module), net.normalise(image)

    def job(batch: int | None) -> Job:
        return lambda: theirs.attribute(ready, 0.0, target, n_steps=STEPS, internal_batch_size=batch).float()

    return {
        "convscope": ours(net, image, target, "integrated", steps=STEPS),
        "captum": job(None),
        "captum, 16 at once": job(16),
    }


def exactly(net: Net, image: Tensor, target: int) -> Job:
    """Captum's integrated gradients of the same network in double precision, at the same points."""

    def job() -> Tensor:
        (ready,) = net.normalise(image)
        net.module.double()
        try:
            theirs = captum.attr.IntegratedGradients(net.module)
            return theirs.attribute(ready.double(), 0.0, target, n_steps=STEPS, internal_batch_size=5)
        finally:
            net.module.float()

    return job


def floor(net: Net, image: Tensor, target: int) -> dict[str, float]:
    """Operations of a pass to and fro at every point, as torch counts them, and one product's in a second."""
    (ready,) = net.normalise(image)
    with frozen(net.module), FlopCounterMode(display=False) as counter:
        score = net.module(ready.clone().requires_grad_())[0, target]
        score.backward()
    return {"operations": STEPS * counter.get_total_flops(), "rate": flops(torch.float32)}


main()
