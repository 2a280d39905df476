"""Methods against captum, closed forms and finite differences."""

import captum.attr as other
import pytest
import torch
from captum.attr._utils import lrp_rules
from tests.see.attribution.nets import convolutional, linear, pictures, residual
from torch import nn

from convscope.errors import PlaceError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets import from_vectors, load, record, with_vocabulary, wrap
from convscope.see.attribution.explanation import explain
from convscope.worlds import open_sample
from convscope.worlds.text import WORDS, fit_spec

TARGETS = [3, 1]
TEXT_TARGETS = [1, 0]


def ours(net, images, method, **settings):
    return explain(net, images, method, TARGETS, checks=(), **settings).attribution


def close(found, wanted, tolerance=1e-5):
    wanted = wanted.detach()
    scale = wanted.abs().max()
    assert scale > 0
    assert torch.allclose(found, wanted, atol=float(scale) * tolerance, rtol=tolerance)


@pytest.mark.parametrize("make", [convolutional, residual])
def test_saliency_is_captums(make):
    net, images = make(), pictures(make())
    wanted = other.Saliency(net).attribute(images.clone().requires_grad_(), TARGETS, abs=False)
    close(ours(net, images, "saliency"), wanted)
    found = explain(net, images, "saliency", TARGETS, checks=())
    close(found.heatmap, wanted.abs().amax(1))


def test_saliency_is_the_slope():
    net, images = convolutional(), pictures(convolutional()).double()
    net.module.double()
    found = ours(net, images, "saliency")[0]
    for at in [(0, 0, 0), (2, 5, 7), (1, 11, 13)]:
        up, down = images[:1].clone(), images[:1].clone()
        up[(0, *at)] += 1e-6
        down[(0, *at)] -= 1e-6
        slope = (net(up) - net(down))[0, 3].detach() / 2e-6
        assert abs(float(found[at] - slope)) < 1e-6


@pytest.mark.parametrize("make", [convolutional, residual, linear])
@pytest.mark.parametrize("steps", [50, 7])
def test_integrated_gradients_are_captums(make, steps):
    net, images = make(), pictures(make())
    targets = [2, 1]
    nothing = net.example() * 0 + torch.tensor(net.input_spec.mean).view(1, -1, 1, 1)
    wanted = other.IntegratedGradients(net).attribute(
        images, nothing.expand_as(images), targets, n_steps=steps
    )
    found = explain(net, images, "integrated", targets, checks=(), steps=steps).attribution
    close(found, wanted.float(), 1e-4)


def test_integrated_gradients_add_up():
    found = explain(residual(), pictures(residual()), "integrated", 1, steps=300, checks=("completeness",))
    for row in found.faithfulness:
        assert row.completeness.gap < 2e-3
    net, images = residual(), pictures(residual())
    difference = net(images)[:, 1] - net(torch.full_like(images, 0.5))[:, 1]
    assert torch.allclose(found.attribution.flatten(1).sum(1), difference.detach(), rtol=2e-3)


@pytest.mark.parametrize("method", ["inputxgradient", "integrated", "lrp"])
def test_on_a_linear_network_each_value_gives_its_weight_times_itself(method):
    net, images = linear(), pictures(linear())
    weights = torch.autograd.functional.jacobian(lambda x: net(x).sum(0)[1], images)
    mean = torch.tensor(net.input_spec.mean).view(1, -1, 1, 1)
    settings = {"rule": "epsilon", "epsilon": 1e-9} if method == "lrp" else {}
    found = explain(net, images, method, 1, checks=("completeness",), **settings)
    if method != "lrp":  # whose rules divide what biases gave, too
        close(found.attribution, weights * (images - mean), 1e-4)
        assert all(row.completeness.gap < 1e-4 for row in found.faithfulness)


def test_input_times_gradient_is_captums_on_the_normalised_input():
    net, images = residual(), pictures(residual())
    (ready,) = net.normalise(images)
    wanted = other.InputXGradient(net.module).attribute(ready.requires_grad_(), [2, 1])
    found = explain(net, images, "inputxgradient", [2, 1], checks=()).attribution
    close(found, wanted)


@pytest.mark.parametrize(
    ("name", "kind"), [("guided", other.GuidedBackprop), ("deconvnet", other.Deconvolution)]
)
def test_rectified_gradients_are_captums(name, kind):
    net, images = convolutional(), pictures(convolutional())
    found = ours(net, images, name)
    with pytest.warns(UserWarning, match="hooks"):
        wanted = kind(net.module).attribute(images.clone().requires_grad_(), TARGETS)
    close(found, wanted)


def test_rectified_gradients_reach_functional_relus_too():
    class Functional(nn.Module):
        def __init__(self, module):
            super().__init__()
            self.parts = module

        def forward(self, x):
            p = self.parts
            x = nn.functional.max_pool2d(p[0](x).clamp(min=0), 2)
            x = torch.relu_(p[3](x)).flatten(1)
            return p[8](nn.functional.relu(p[6](x), inplace=True))

    net, images = convolutional(), pictures(convolutional())
    twin = wrap(Functional(net.module).eval(), net.input_spec)
    for name in ("guided", "deconvnet"):
        close(ours(twin, images, name), ours(net, images, name))


@pytest.mark.parametrize(("window", "stride"), [(4, 2), (5, 3), (1, 1), (12, 5)])
def test_occlusion_is_captums(window, stride):
    net, images = convolutional(), pictures(convolutional())
    wanted = other.Occlusion(net).attribute(images, (3, window, window), (3, stride, stride), 0.0, TARGETS)
    close(ours(net, images, "occlusion", window=window, stride=stride), wanted.float(), 1e-4)


def test_occlusion_folds_normalisation_without_changing_numbers():
    net, images = residual(), pictures(residual())
    wanted = other.Occlusion(net).attribute(images, (3, 3, 3), (3, 2, 2), 0.5, TARGETS)
    close(ours(net, images, "occlusion", window=3, stride=2), wanted.float(), 1e-4)


@pytest.mark.parametrize(
    ("rule", "theirs"),
    [
        ("epsilon", lambda: lrp_rules.EpsilonRule(1e-6)),
        ("gamma", lambda: lrp_rules.GammaRule(0.25)),
        ("zplus", lambda: lrp_rules.Alpha1_Beta0_Rule(set_bias_to_zero=True)),
    ],
)
def test_relevance_is_captums(rule, theirs):
    net, images = convolutional(bias=rule == "epsilon"), pictures(convolutional())
    best = net(images).argmax(1).tolist()
    assert (net(images).amax(1) > 0).all()  # captum's gamma rule is for positive results
    found = explain(net, images, "lrp", best, checks=(), rule=rule, epsilon=1e-6).attribution
    for part in net.module:
        if isinstance(part, (nn.Conv2d, nn.Linear)):
            part.rule = theirs()
        elif isinstance(part, nn.Flatten):
            part.rule = lrp_rules.EpsilonRule(1e-9)
    wanted = other.LRP(net.module).attribute(images.clone().requires_grad_(), best)
    close(found, wanted, 1e-4)


@pytest.mark.parametrize("rule", ["composite", "epsilon", "gamma"])
def test_relevance_is_conserved_without_biases(rule):
    found = explain(
        convolutional(bias=False),
        pictures(convolutional()),
        "lrp",
        TARGETS,
        rule=rule,
        epsilon=1e-9,
        checks=("completeness",),
    )
    for row, score in zip(found.faithfulness, found.scores.tolist(), strict=True):
        assert abs(row.completeness.total - score) < 1e-4 * abs(score) + 1e-6


def test_relevance_of_a_sum_and_a_gate_by_hand():
    class Hand(nn.Module):
        def forward(self, x):
            a, b = x[:, :2] * 3, x[:, 2:]
            return (a + b) * torch.sigmoid(x.sum(1, keepdim=True))

    net = wrap(Hand(), TensorSpec((4,), value_range=(0.0, 4.0)))
    x = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    found = explain(net, x, "lrp", 0, checks=()).attribution
    gate = torch.sigmoid(x.sum())
    assert torch.allclose(found, torch.tensor([[3.0, 0.0, 3.0, 0.0]]) * gate)


def test_relevance_of_a_sentence_passes_through_the_maximum_over_time():
    """With the epsilon rule everywhere relevance is the input times the gradient, which autograd computes."""
    texts = ["a fine film", "not a fine film at all , sadly"]
    spec = fit_spec(WORDS, texts)
    net = with_vocabulary(load("kim_cnn_50"), spec, ("bad", "good"), embedding_dim=6, seed=1)
    tokens = torch.stack([open_sample(text, spec).input for text in texts])
    found = explain(net, tokens, "lrp", TEXT_TARGETS, checks=(), rule="epsilon", epsilon=1e-12).attribution
    made, vectors, inside = from_vectors(net, tokens)
    given = vectors.clone().requires_grad_()
    made(given, inside)[torch.arange(2), TEXT_TARGETS].sum().backward()
    close(found, vectors * given.grad, 1e-4)


def test_relevance_refuses_what_it_has_no_rule_for():
    net = wrap(nn.TransformerEncoderLayer(8, 2, batch_first=True).eval(), TensorSpec((5, 8)))
    with pytest.raises(UsageError, match="in self_attn") as caught:
        explain(net, torch.rand(1, 5, 8), "lrp", "output:1", checks=())
    assert "integrated" in str(caught.value)


def test_class_activation_maps_by_their_definition():
    net, images = convolutional(), pictures(convolutional())
    maps = record(net, images, ["4"])
    act = next(iter(maps.values())).detach().requires_grad_()
    score = net.module[5:](act)[torch.arange(2), TARGETS].sum()
    slope = torch.autograd.grad(score, act)[0]
    wanted = (slope.mean((2, 3), keepdim=True) * act).sum(1, keepdim=True).relu()
    wanted = nn.functional.interpolate(wanted, (12, 14), mode="bilinear")
    close(ours(net, images, "gradcam"), wanted)
    layered = (slope.relu() * act).sum(1, keepdim=True).relu()
    close(ours(net, images, "layercam"), nn.functional.interpolate(layered, (12, 14), mode="bilinear"))
    theirs = other.LayerGradCam(net.module, net.module[4]).attribute(images, TARGETS, relu_attributions=True)
    close(ours(net, images, "gradcam"), nn.functional.interpolate(theirs, (12, 14), mode="bilinear"))


def test_class_activation_maps_differentiate_nothing_before_their_layer():
    net, seen = convolutional(), []
    net.module[3].register_forward_hook(lambda _m, _i, out: seen.append(out.requires_grad))
    net.module[6].register_forward_hook(lambda _m, _i, out: seen.append(out.requires_grad))
    ours(net, pictures(net), "gradcam")
    assert seen[-2:] == [False, True]


def test_rise_finds_where_all_the_evidence_is():
    class Corner(nn.Module):
        def forward(self, x):
            return torch.stack([x[:, 0, :8, :8].mean((1, 2)) * 20, x.mean((1, 2, 3)) * 0 + 5], 1)

    net = wrap(Corner(), TensorSpec((1, 32, 40)))
    heat = explain(net, torch.ones(1, 1, 32, 40), "rise", 0, checks=(), samples=600).heatmap[0]
    y, x = divmod(int(heat.argmax()), 40)
    assert y < 10
    assert x < 10
    assert heat[:6, :6].mean() > 3 * heat[16:, 16:].abs().mean()


def test_score_cam_by_its_definition():
    net, image = convolutional(), pictures(convolutional(), 1)
    act = next(iter(record(net, image, ["4"]).values())).detach()
    up = nn.functional.interpolate(act, (12, 14), mode="bilinear")
    low, high = up.amin((2, 3), keepdim=True), up.amax((2, 3), keepdim=True)
    masks = ((up - low) / (high - low + 1e-8))[0][:, None]
    weights = net(image * masks)[:, 3].softmax(0).detach()
    wanted = (weights.view(1, -1, 1, 1) * act).sum(1, keepdim=True).relu()
    found = explain(net, image, "scorecam", 3, checks=()).attribution
    close(found, nn.functional.interpolate(wanted, (12, 14), mode="bilinear"))


def test_smoothgrad_without_noise_is_the_gradient_and_repeats_itself():
    net, images = convolutional(), pictures(convolutional())
    close(ours(net, images, "smoothgrad", noise=0.0, samples=3), ours(net, images, "saliency"))
    first = ours(net, images, "smoothgrad", samples=5)
    assert torch.equal(first, ours(net, images, "smoothgrad", samples=5))
    assert not torch.equal(first, ours(net, images, "smoothgrad", samples=5, seed=1))
    alone = explain(net, images[1], "smoothgrad", 1, checks=(), samples=5).attribution
    assert torch.allclose(alone[0], first[1], atol=1e-6)


def test_a_layer_can_be_chosen_and_must_have_maps():
    net, image = convolutional(), pictures(convolutional(), 1)
    assert explain(net, image, "layercam", 1, checks=(), layer="0").heatmap.shape == (1, 12, 14)
    with pytest.raises(PlaceError, match="maps"):
        explain(net, image, "gradcam", 1, checks=(), layer="6")
    with pytest.raises(PlaceError):
        explain(net, image, "gradcam", 1, checks=(), layer="nowhere")
    with pytest.raises(UsageError, match="depends on"):
        explain(net, image, "gradcam", "0:1", checks=(), layer="3")
