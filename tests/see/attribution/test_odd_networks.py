"""Every method on every odd network: what a slow, independent computation says, or a refusal.

What is refused is listed for each network; a method that refuses more than that fails.
"""

import warnings
from contextlib import nullcontext

import captum.attr as captum
import pytest
import torch
from tests.see.attribution import slowly
from tests.see.attribution.odd import CLASS, ODD, SIZE, Odd, twin
from torch import nn

from convscope.errors import UsageError
from convscope.nets import wrap
from convscope.see.attribution.explanation import explain
from convscope.see.attribution.registry import METHODS, get_method

pytestmark = pytest.mark.slow

SETTINGS = {
    "smoothgrad": {"noise": 0.0, "samples": 2},
    "integrated": {"steps": 18},
    "occlusion": {"window": 4},
    "rise": {"samples": 12, "grid_size": 3},
}
QUICK = (
    "plain",
    "[b 1]",
    "checkpointed, reentrant",
    "quantised head",
    "one class detached",
    "functional ReLU",
    "indices",
)
"""Networks that are tried in every run; all in `make test-all`."""


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about quantisation, torch.jit, captum's hooks
        yield


def cases():
    for kind in ODD:
        marks = () if kind in QUICK else (pytest.mark.exhaustive,)
        for name in METHODS:
            yield pytest.param(kind, name, marks=marks, id=f"{name}-{kind}")


@pytest.mark.parametrize(("kind", "name"), list(cases()))
def test_it_is_as_a_slow_computation_says_or_refused(kind, name):
    odd = ODD[kind]
    images = torch.rand(2, *SIZE, generator=torch.Generator().manual_seed(5))
    images[:, 0, 0, 0] = torch.tensor([0.2, 0.8])
    net, given = wrap(odd.make(), odd.spec), odd.inputs(images)
    with odd.around() if odd.around else nullcontext():
        if name in odd.refused:
            with pytest.raises(UsageError, match=odd.refused[name]) as caught:
                explain(net, given, name, odd.target, checks=(), **SETTINGS.get(name, {}))
            assert caught.value.hint
            assert caught.value.received
            return
        found = explain(net, given, name, odd.target, checks=(), **SETTINGS.get(name, {}))
    with torch.enable_grad():
        wanted = slowly.each(given.double(), lambda x: computed(odd, name, net.module, x)).detach()
    size = float(wanted.abs().max())
    assert size > 0 or kind == "dead"
    least = {"lrp": 2e-5, "rise": 1e-6}.get(name, 0.0)  # captum's epsilons; probabilities in float32
    share = max(odd.tolerance, least)
    assert float((found.attribution.double() - wanted).abs().max()) <= share * size


def computed(odd: Odd, name: str, module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    plain = twin(odd)
    inner, dtype = nn.Identity(), torch.float64
    if hasattr(module, "norm"):
        inner = nn.BatchNorm2d(3, track_running_stats=False).double()

    def score(image):
        if odd.own and name in ("scorecam", "occlusion", "rise"):
            weight = next((p for p in module.parameters()), torch.zeros(()))
            return odd.score(module(image.to(weight.dtype))).to(dtype)
        return plain(inner(image))[:, CLASS]

    def degree(image):
        if not odd.probability:
            return score(image)
        if odd.own:
            weight = next((p for p in module.parameters()), torch.zeros(()))
            return module(image.to(weight.dtype)).to(dtype).softmax(1)[:, CLASS]
        return plain(inner(image)).softmax(1)[:, CLASS]

    if name in ("saliency", "smoothgrad"):
        return slowly.gradient(score, x)
    if name == "inputxgradient":
        return slowly.gradient(score, x) * x
    if name == "integrated":
        return slowly.integrated(score, x, 18)
    if name == "occlusion":
        return slowly.occluded(score, x, 4)
    if name == "rise":
        rise = get_method("rise", **SETTINGS["rise"])
        chance, count = torch.Generator().manual_seed(0), 1 if odd.alone else 12
        masks = torch.cat([rise._masks(tuple(x.shape[2:]), count, chance) for _ in range(12 // count)])
        return slowly.masked_mean(degree, x, masks, 0.5)
    if name == "lrp":
        return slowly.relevance(plain, x, CLASS)
    if name in ("guided", "deconvnet"):
        kind = {"guided": captum.GuidedBackprop, "deconvnet": captum.Deconvolution}[name]
        return slowly.rectified(kind, nn.Sequential(inner, *plain), x, CLASS)
    front = nn.Sequential(inner, *plain[:4])
    if name == "scorecam":
        return slowly.score_cam(front, score, x)
    return slowly.cam(name, front, lambda maps: plain[4:](maps)[:, CLASS], x)
