"""Every verb that optimises an input x every way in which no gradient arrives: refused, or reported.

What is right is told by torch itself: whether the layer's activation has a gradient with respect to the image
at all, and whether it is other than 0.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from convscope import see
from convscope.errors import ConvscopeError, UsageError
from convscope.graph import TensorSpec
from convscope.nets import Net, wrap
from convscope.see import fooling_images, unit_report
from convscope.see.optimize.tiling.geometry import TileConfig
from convscope.see.style.transfer import style_transfer
from convscope.see.visualization.recipe import VisualizeRecipe
from convscope.worlds import ImageTensorDataset

pytestmark = pytest.mark.slow

SPEC = TensorSpec((3, 16, 16))
LAYER = "late"


def _one_hot(h: torch.Tensor) -> torch.Tensor:
    return nn.functional.one_hot(h.argmax(1), h.shape[1]).movedim(-1, 1).float()


@torch.no_grad()
def _without(h: torch.Tensor) -> torch.Tensor:
    return h * 2


@torch.inference_mode()
def _inferred(h: torch.Tensor) -> torch.Tensor:
    return h * 2


LEAF = torch.ones(1, requires_grad=True)
CUT: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "detach": lambda h: h.detach(),
    "no_grad": _without,
    "inference_mode": lambda h: _inferred(h).clone(),
    "argmax": _one_hot,
    "integers": lambda h: (h * 8).int().float(),
    "compared": lambda h: (h > 0.1).float(),
    "numpy": lambda h: torch.from_numpy(h.detach().numpy().copy()),
    "constant": lambda h: torch.linspace(0, 1, h[0].numel()).view(1, *h.shape[1:]).expand_as(h) + 0,
    "own leaf": lambda h: h.detach() * LEAF,
}
"""No gradient exists: refused, by the layer's name."""
ZERO: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "round": lambda h: (h * 8).round(),
    "floor": lambda h: (h * 8).floor(),
    "sign": lambda h: (h - 0.1).sign(),
    "times 0": lambda h: h * 0 + 0.5,
    "clamped": lambda h: h.clamp(2e3, 3e3) - 1999,
}
"""The gradient is exactly 0 (if not redirected): reported."""
BROKEN: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "nan": lambda h: h / 0 * 0,
    "infinity": lambda h: h + 1 / torch.zeros(1),
    "half overflow": lambda h: (h.half() * 60000 * 60000).float() + 1,
    "gradient nan": lambda h: (h * 0).sqrt() + h,
}
"""Numbers that are none: refused."""
WAYS = {**CUT, **ZERO, **BROKEN}
KEPT = {"detach", "argmax", "own leaf", "round", "times 0", "nan", "half overflow"}
"""Ways that are tried in every run; all in `make test-all`."""


def tried(ways: dict[str, Callable[[torch.Tensor], torch.Tensor]]) -> list[Any]:
    """Return the names of ways, marked where they are for `make test-all` alone."""
    return [pytest.param(way, marks=() if way in KEPT else (pytest.mark.exhaustive,)) for way in ways]


class Broken(nn.Module):
    """A convolution, something that breaks the gradient, another convolution, classes."""

    def __init__(self, way: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.early, self.way = nn.Conv2d(3, 6, 3, padding=1), way
        self.late, self.head = nn.Conv2d(6, 6, 3, padding=1), nn.Linear(6, 4)

    def forward(self, x):
        return self.head(torch.relu(self.late(self.way(torch.relu(self.early(x))))).mean((2, 3)))


def broken(way: str) -> Net:
    return wrap(Broken(WAYS[way]).eval(), SPEC, classes=list("abcd"), name="broken")


def photo(seed: int = 0) -> torch.Tensor:
    return torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(seed))


def data() -> ImageTensorDataset:
    chance = torch.Generator().manual_seed(2)
    images = torch.randint(0, 256, (20, 3, 16, 16), dtype=torch.uint8, generator=chance)
    return ImageTensorDataset(images, torch.arange(20) % 2, ("even", "odd"), SPEC)


def _portrait(net: Net) -> bool:
    made = unit_report(net, f"{LAYER}:1", data(), top_k=2, steps=4)
    return made.maximizing.no_gradient and made.minimizing.no_gradient


def _dreamt(net: Net) -> bool:
    made = see.dream(net, photo(), LAYER, steps=2, octaves=1, jitter=2, untrained=True)
    return all(octave.unmoved for octave in made.octaves)


STYLE = {"steps": [3], "scales": 1, "precision": "fp32"}
VERBS: dict[str, Callable[[Net], bool]] = {
    "visualize": lambda net: len(see.visualize(net, f"{LAYER}:1", steps=4).uninformative) == 1,
    "visualize, penalised": lambda net: (
        len(see.visualize(net, f"{LAYER}:1", steps=4, total_variation=0.1, l2=1).uninformative) == 1
    ),
    "visualize, variants": lambda net: len(see.visualize(net, LAYER, steps=4, variants=2).uninformative) == 2,
    "visualize, pixels": lambda net: (
        len(see.visualize(net, "output:b", steps=4, canvas="pixels").uninformative) == 1
    ),
    "visualize, cppn": lambda net: len(see.visualize(net, LAYER, steps=4, canvas="cppn").uninformative) == 1,
    "visualize, maco": lambda net: len(see.visualize(net, LAYER, steps=4, canvas="maco").uninformative) == 1,
    "unit": _portrait,
    "fool": lambda net: len(fooling_images(net, [0, 1], steps=4).unmoved) == 2,
    "caricature": lambda net: see.caricature(net, photo(), LAYER, steps=4).unmoved == (LAYER,),
    "invert": lambda net: see.invert(net, photo(), LAYER, steps=4).unmoved == (LAYER,),
    "factors": lambda net: len(see.factors(net, photo()[None], LAYER, count=2, steps=4).unmoved) == 2,
    "atlas": lambda net: (
        len((made := see.atlas(net, LAYER, data(), layout="pca", grid=2, min_count=1, steps=4)).unmoved)
        == len(made)
    ),
    "dream": _dreamt,
    "style": lambda net: (
        style_transfer(
            net, photo(), photo(1), style_layer=[LAYER], content_layer=[LAYER], untrained=True, **STYLE
        ).unmoved
    ),
    "effective_field": lambda net: (
        not bool(see.effective_receptive_field(net, LAYER, photo()[None]).influence.any())
    ),
}
"""Each gives whether it reports, for all its pictures, that nothing moved them."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("way", tried(CUT))
def test_where_no_gradient_exists_every_verb_refuses_and_names_the_place(way: str, verb: str) -> None:
    net = broken(way)
    leaf = photo()[None].requires_grad_()
    result = net.module(leaf)
    connected = (
        result.requires_grad and torch.autograd.grad(result.sum(), leaf, allow_unused=True)[0] is not None
    )
    assert not connected, "torch sees a gradient: the network of this test is wrong"
    if (way, verb) == ("numpy", "style"):  # refused earlier, where layers are read from the traced graph
        with pytest.raises(UsageError, match="functions of torch"):
            VERBS[verb](net)
        return
    with pytest.raises(UsageError, match=rf"(?s)gradient.*({LAYER}|output).*of broken") as caught:
        VERBS[verb](net)
    assert "the last is early" in caught.value.hint or "quantis" in caught.value.hint


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("way", tried(ZERO))
def test_where_the_gradient_is_0_every_verb_reports_it(way: str, verb: str) -> None:
    net = broken(way)
    leaf = photo()[None].requires_grad_()
    (gradient,) = torch.autograd.grad(net.module(leaf).sum(), leaf)
    assert not bool(gradient.any())
    if way == "clamped" and verb != "effective_field":  # redirected: what pushes inwards passes, and moves it
        return
    try:
        reported = VERBS[verb](net)
    except ConvscopeError as error:  # a layer that says the same everywhere has no factors
        reported = bool(error.expected)
    assert reported


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("way", tried(BROKEN))
def test_nan_and_infinity_are_never_a_picture(way: str, verb: str) -> None:
    with pytest.raises(ConvscopeError, match=r"NaN|finite"):
        VERBS[verb](broken(way))


@pytest.mark.parametrize("verb", VERBS)
def test_where_a_gradient_arrives_nothing_is_reported(verb: str) -> None:
    net = wrap(Broken(lambda h: h).eval(), SPEC, classes=list("abcd"), name="whole")
    assert not VERBS[verb](net)


class Two(nn.Module):
    """Half of its units have a gradient; so has one of two branches."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.good, self.bad, self.join = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), nn.Identity()
        nn.init.ones_(self.good.bias)

    def forward(self, x):
        good, bad = torch.relu(self.good(x)), torch.relu(self.bad(x.detach()))
        return self.join(torch.cat([good, bad], 1))


def test_a_partly_broken_request_names_the_broken_one() -> None:
    net = wrap(Two().eval(), SPEC, name="two")
    for places in (["good:1", "bad:2", "good:0"], ["good:1 - 0.3*bad:2"]):
        with pytest.raises(UsageError, match="received bad:2 of two"):
            see.visualize(net, *places, steps=4)
    with pytest.raises(UsageError, match="received bad of two"):
        see.caricature(net, photo(), "good", "bad", steps=4)
    made = see.visualize(
        net, "join:1", "join:6", steps=4
    )  # the layer has a gradient, this unit of it has none
    assert made.unmoved == made.uninformative == ("join:6",)


def test_it_is_refused_before_the_first_batch_is_made() -> None:
    net, steps = wrap(Two().eval(), SPEC, name="two"), []
    recipe = VisualizeRecipe(net="", places=["good:*", "bad:0"], steps=4, batch=1)
    with pytest.raises(UsageError, match="bad:0"):
        steps += see.iter_visualize(net, recipe)
    assert not steps


def test_it_is_refused_in_tiles_too() -> None:
    from convscope.see.optimize.image_params.base import pixel_image
    from convscope.see.optimize.loop import optimize_input
    from convscope.see.optimize.objectives.activations import channel

    class Cut(nn.Sequential):
        def forward(self, x):
            return super().forward(x.detach())

    net = wrap(Cut(nn.Conv2d(3, 4, 3, padding=1)).eval(), TensorSpec((3, 64, 64)), name="cut")
    with pytest.raises(UsageError, match="0 of cut"):
        list(
            optimize_input(
                net, channel("0:1"), pixel_image(net.input_spec, [0]), steps=2, tiles=TileConfig(1024)
            )
        )


class Aside(nn.Module):
    """Its answer depends on the second input alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(5, 2)

    def forward(self, image, facts):
        self.conv(image)
        return self.head(facts)


def test_an_answer_that_does_not_depend_on_the_image_is_refused() -> None:
    net = wrap(Aside().eval(), (SPEC, TensorSpec((5,), name="facts")), name="aside")
    with pytest.raises(UsageError, match="output:1 of aside"):
        see.visualize(net, "output:1", steps=2)


@pytest.mark.filterwarnings("ignore")
def test_a_quantised_head_is_refused_and_the_layers_before_it_work() -> None:
    module = Broken(lambda h: h).eval()
    engine = torch.backends.quantized.engine
    torch.backends.quantized.engine = next(
        e for e in torch.backends.quantized.supported_engines if e != "none"
    )
    try:
        net = wrap(torch.ao.quantization.quantize_dynamic(module, {nn.Linear}), SPEC, name="eight bits")
        with pytest.raises(UsageError, match=r"(?s)output:1 of eight bits.*the last is late"):
            see.visualize(net, "output:1", steps=2)
        assert see.visualize(net, "late:1", steps=2).uninformative == ()
    finally:
        torch.backends.quantized.engine = engine


def test_steps_of_0_need_no_gradient() -> None:
    assert see.visualize(broken("detach"), f"{LAYER}:1", steps=0).uninformative == ()
    assert see.caricature(broken("detach"), photo(), LAYER, steps=0).unmoved == ()
