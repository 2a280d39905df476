"""What attribution says of targets, layers and inputs that are seldom; each against something independent."""

import threading
import warnings

import pytest
import torch
import torch.utils.checkpoint as checkpointing
from tests.see.attribution.nets import convolutional, pictures, residual
from tests.see.attribution.odd import SIZE, Shaped, core, unreentrant
from torch import Tensor, nn
from torch.nn import functional

from convscope.errors import ConvscopeError, PlaceError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets import LayerAddress, wrap
from convscope.see import layer, output
from convscope.see.attribution.explanation import explain
from convscope.see.attribution.gradients.passes import stored
from convscope.see.attribution.methods.cam import resolve_cam_layer
from convscope.see.attribution.metrics.faithfulness import METRICS
from convscope.see.attribution.target import make_task
from convscope.system.progress import last_item

pytestmark = pytest.mark.slow

SPEC = TensorSpec(SIZE)


def images(count: int = 2) -> Tensor:
    return torch.rand(count, *SIZE, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(
    "after",
    [lambda y: y[:, 1], lambda y: y[:, 1:2], lambda y: y[:, 1:2, None, None], lambda y: -y[:, 1:2].sigmoid()],
)
@pytest.mark.parametrize("target", [None, 0, "output", "output:0", LayerAddress("output"), output(0)])
def test_one_number_is_explained_itself_with_its_sign(after, target):
    net = wrap(Shaped(None, after), SPEC)
    x = images().requires_grad_()
    answer = net.module(x)
    (slope,) = torch.autograd.grad(answer.sum(), x)
    found = explain(net, x, "saliency", target, checks=METRICS)
    assert torch.allclose(found.scores, answer.detach().flatten())
    assert (answer < 0).any()
    assert torch.allclose(found.attribution, slope, atol=1e-7)
    assert all(row.average_drop is not None for row in found.faithfulness)


def test_the_energy_of_one_number_can_still_be_asked():
    net = wrap(Shaped(None, lambda y: y[:, 1]), SPEC)
    found = explain(net, images(), "saliency", layer("output"), checks=())
    assert torch.allclose(found.scores, 0.5 * net.module(images()).detach() ** 2)


def test_other_units_of_one_number_do_not_exist():
    with pytest.raises(PlaceError, match=r"a unit, which .* has not"):
        explain(wrap(Shaped(None, lambda y: y[:, 1]), SPEC), images(), "saliency", 1)


class Ordered(nn.Module):
    """One architecture whose ReLUs are modules of their own, one shared module, or functions."""

    def __init__(self, how: str):
        super().__init__()
        torch.manual_seed(2)
        self.one, self.two, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 6, 3), nn.Linear(6, 3)
        self.relu, self.last, self.how = nn.ReLU(), nn.ReLU(inplace=True), how

    def forward(self, x):
        own, functions = (
            self.how == "own",
            {"function": functional.relu, "method": Tensor.relu_, "clamp": lambda h: h.clamp(min=0)},
        )
        relu = functions.get(self.how, self.relu)
        h = self.two(relu(self.one(x)))
        return self.head((self.last if own else relu)(h).mean((2, 3)))


@pytest.mark.parametrize("name", ["gradcam", "gradcam++", "layercam", "scorecam"])
@pytest.mark.parametrize(
    ("how", "named"),
    [("shared", "relu#2"), ("function", "two+relu"), ("method", "two+relu"), ("clamp", "two+relu")],
)
def test_the_same_maps_are_taken_however_the_relu_is_called(name, how, named):
    own, other = wrap(Ordered("own"), SPEC), wrap(Ordered(how), SPEC)
    wanted = explain(own, images(), name, 1, checks=())
    found = explain(other, images(), name, 1, checks=())
    assert (str(wanted.layer), str(found.layer)) == ("last", named)
    assert float(wanted.attribution.abs().max()) > 0
    assert torch.equal(found.attribution, wanted.attribution)
    again = explain(other, images(), name, 1, checks=(), layer=str(found.layer))
    assert torch.equal(again.attribution, wanted.attribution)


class Again(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.mid, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 2)
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())
        self.aside = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        y = self.block(self.mid(self.block(self.stem(x))))
        return {"main": self.head(y.mean((2, 3))), "aside": self.aside(x)}


def test_layers_go_by_their_last_calls_and_those_beside_the_way_are_left_out():
    net = wrap(Again().eval(), SPEC)
    assert str(resolve_cam_layer(make_task(net, images(), "output[main]:1"))) == "block#2"
    assert str(resolve_cam_layer(make_task(net, images(), "mid:1"))) == "block#1"
    found = explain(net, images(), "gradcam", "output[main]:1", checks=())
    assert str(found.layer) == "block#2"
    assert explain(net, images(), "saliency", "output[main]:1", checks=()).layer is None


class Tokens(nn.Module):
    """Patches as tokens, after which nothing has the axes of a picture."""

    def __init__(self, patches: bool):
        super().__init__()
        self.cut = nn.Conv2d(3, 8, 2, 2) if patches else nn.Identity()
        self.mix, self.head = nn.Linear(8 if patches else 3, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.head(torch.tanh(self.mix(self.cut(x).flatten(2).transpose(1, 2))).mean(1))


def test_tokens_are_passed_over_or_refused_with_the_reason():
    assert str(explain(wrap(Tokens(True), SPEC), images(), "gradcam", 1, checks=()).layer) == "cut"
    with pytest.raises(UsageError, match=r"mix\+tanh gives 8 units for each of 56 tokens") as caught:
        explain(wrap(Tokens(False), SPEC), images(), "gradcam", 1, checks=())
    assert "occlusion" in caught.value.hint


class Heads(nn.Module):
    """Two inputs, one of which has no gradient."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(5, 3)

    def forward(self, one, two):
        return self.head(torch.cat([one, two.detach()], 1))


def test_an_input_without_a_gradient_is_named():
    net = wrap(Heads(), [TensorSpec((2,), name="facts"), TensorSpec((3,), name="rest")])
    with pytest.raises(UsageError, match="no gradient arrives at the input rest"):
        explain(net, [torch.rand(1, 2), torch.rand(1, 3)], "saliency", 1)


class Ignoring(nn.Module):
    def forward(self, one, two):
        return one * 2 + 0 * two[:, :1]


def test_an_input_that_does_not_matter_has_a_gradient_of_zero():
    net = wrap(Ignoring(), [TensorSpec((2,), name="facts"), TensorSpec((3,), name="rest")])
    found = explain(net, [torch.rand(1, 2), torch.rand(1, 3)], "saliency", 1, checks=())
    assert found.attributions[1].abs().max() == 0
    assert found.attributions[0].tolist() == [[0, 2]]


@pytest.mark.parametrize("body", [nn.ReLU(), nn.Sigmoid(), nn.Hardtanh(), nn.Softmax(1)])
def test_saturated_functions_have_a_gradient_of_zero(body):
    steep = nn.Linear(3, 3)
    nn.init.constant_(steep.weight, -900.0)
    steep.weight.data[0] = 900.0 if isinstance(body, nn.Softmax) else -900.0
    net = wrap(nn.Sequential(steep, body, nn.Linear(3, 2)), TensorSpec((3,)))
    x = torch.full((1, 3), 0.9)
    assert explain(net, x, "saliency", 1, checks=()).attribution.abs().max() == 0


def test_a_black_picture_at_the_bend_of_every_relu_has_a_gradient_of_zero():
    found = explain(wrap(core(), SPEC), torch.zeros(1, *SIZE), "saliency", 1, checks=())
    assert found.attribution.abs().max() == 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_relevance_is_the_same_in_every_number_format(dtype, seed):
    """As in float32 with weights rounded as they are in the other format."""
    images, rounded, net = pictures(residual(), 2, seed), residual(), residual()
    rounded.module.to(dtype).float()
    wanted = explain(rounded, images, "lrp", 1, checks=()).attribution
    net.module.to(dtype)
    found = explain(net, images, "lrp", 1, checks=()).attribution
    assert float((found - wanted).abs().max()) < 1e-4 * float(wanted.abs().max())


def test_relevance_is_the_same_the_first_time_and_later():
    net, images = residual(), pictures(residual())  # whose in-place operations its first pass finds out
    first = explain(net, images, "lrp", 1, checks=()).attribution
    assert torch.equal(explain(net, images, "lrp", 1, checks=()).attribution, first)


@pytest.mark.parametrize("name", ["lrp", "guided", "deconvnet"])
def test_compiled_networks_are_refused_where_they_cannot_be_seen_into(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = nn.Sequential(torch.compile(core(), backend="eager"))
    with pytest.raises(UsageError, match=r"torch\.compile"):
        explain(wrap(module, SPEC), images(), name, "output:1")


@pytest.mark.parametrize("relu", [torch.ops.aten.relu, lambda x: functional.threshold(x, 0, 0)])
def test_relus_of_other_names_are_not_passed_over(relu):
    net = wrap(nn.Sequential(core(), nn.Identity()), SPEC)
    net.module[1].forward = relu
    for name in ("guided", "deconvnet"):
        with pytest.raises(UsageError, match="a ReLU called as"):
            explain(net, images(), name, "output:1")


def test_recomputation_is_off_for_this_thread_alone_and_comes_back():
    before = checkpointing.CheckpointFunction
    runs = []

    def noted(x):
        runs.append(threading.current_thread().name)
        return x.sin()

    def elsewhere():
        x = torch.ones(2, requires_grad=True)
        unreentrant(noted, x).sum().backward()

    with stored():
        x = torch.ones(2, requires_grad=True)
        y = unreentrant(noted, x)
        other = threading.Thread(target=elsewhere, name="other")
        other.start()
        other.join()
        y.sum().backward()
    assert runs.count("other") == 2
    assert len(runs) == 3
    assert torch.equal(x.grad, torch.ones(2).cos())
    assert checkpointing.CheckpointFunction is before
    elsewhere()
    assert len(runs) == 5


@pytest.mark.parametrize("shape", [(0, *SIZE), (1, 3, 0, 7), (1, 3, 8, 0)])
def test_inputs_without_a_value_are_refused(shape):
    with pytest.raises(ConvscopeError) as caught:
        explain(wrap(core(), SPEC), torch.rand(shape), "occlusion", 1)
    assert caught.value.hint


def test_a_generator_without_results_is_refused():
    with pytest.raises(UsageError, match="finds something"):
        last_item(iter(()), "RISE")
    assert last_item(iter([1, 2]), "RISE") == 2


def test_weights_of_inference_mode_are_refused():
    with torch.inference_mode():
        net = wrap(core(), SPEC)
    for name in ("saliency", "gradcam", "occlusion"):
        with pytest.raises(UsageError, match=r"outside torch\.inference_mode"):
            explain(net, images(), name, 1)


def test_a_first_look_in_inference_mode_spoils_nothing():
    net = wrap(core(), TensorSpec(SIZE, mean=(0.5,), std=(0.25,)))
    with torch.inference_mode():
        net(images())
    assert explain(net, images(), "saliency", 1, checks=()).heatmap.max() > 0


def test_checks_of_every_kind_work_in_double_and_half_precision():
    for dtype in (torch.float64, torch.float16, torch.bfloat16):
        net = convolutional()
        net.module.to(dtype)
        found = explain(net, pictures(net), "gradcam", 1, checks=METRICS)
        plain = explain(convolutional(), pictures(net), "gradcam", 1, checks=METRICS)
        for one, other in zip(found.faithfulness, plain.faithfulness, strict=True):
            assert one.deletion_insertion.curves.deletion == pytest.approx(
                other.deletion_insertion.curves.deletion, abs=0.02
            )
            assert one.average_drop.drop == pytest.approx(other.average_drop.drop, abs=0.02)
