"""What every method must keep: each one in the register goes through all of this."""

from pathlib import Path
from typing import ClassVar

import pytest
import torch
from tests.nets.hostile import HOSTILE
from tests.see.attribution.nets import convolutional, linear, pictures, residual
from torch import nn

from convscope.errors import UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets import load, wrap
from convscope.see.attribution.explanation import explain, iter_explain
from convscope.see.attribution.method import Method
from convscope.see.attribution.methods.cam import GradientCam
from convscope.see.attribution.methods.gradient import InputXGradient
from convscope.see.attribution.metrics.completeness import completeness_gap
from convscope.see.attribution.metrics.faithfulness import METRICS
from convscope.see.attribution.registry import METHODS, get_method, method_class
from convscope.see.attribution.target import make_task
from convscope.worlds.datasets import digits

pytestmark = pytest.mark.slow

FEW = {
    "rise": {"samples": 24},
    "smoothgrad": {"samples": 3},
    "integrated": {"steps": 5},
    "occlusion": {"window": 4},
}
"""Enough to see that a method runs."""


def state(module: nn.Module):
    """Everything about a module that could be altered."""
    return (
        {k: (v.data_ptr(), v.clone()) for k, v in module.state_dict(keep_vars=True).items()},
        [(name, p.requires_grad, p.grad) for name, p in module.named_parameters()],
        [
            (name, m.training, len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks))
            for name, m in module.named_modules()
        ],
    )


def same(before, after) -> bool:
    (a, pa, ma), (b, pb, mb) = before, after
    pairs = [(a[k][0] == b[k][0]) and torch.equal(a[k][1], b[k][1]) for k in a]
    return a.keys() == b.keys() and all(pairs) and pa == pb and ma == mb


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", HOSTILE, ids=lambda kind: kind.__name__)
def test_any_network_is_explained_or_told_what_would(name, kind):
    torch.manual_seed(0)
    net = wrap(kind(), kind.specs)
    inputs = [torch.rand(2, *c.shape, generator=torch.Generator().manual_seed(1)) for c in net.input_specs]
    kept, before, mode = [x.clone() for x in inputs], state(net.module), torch.is_grad_enabled()
    target = {
        "DictOutput": "output[logits]:1",
        "Reused": "conv:2",
        "Choosing": 1,
        "InPlace": "relu:3",
        "Swallowing": "output:0",
    }.get(kind.__name__, 1)
    try:
        found = explain(net, inputs, name, target, checks=METRICS, **FEW.get(name, {}))
    except UsageError as error:
        assert error.hint, error
        assert name.endswith(("cam", "cam++")) or name in ("guided", "deconvnet", "lrp")
    else:
        for x, attribution, heat in zip(inputs, found.attributions, found.heatmaps, strict=True):
            assert attribution.shape[0] == 2
            assert attribution.shape[2:] == x.shape[2:]
            assert heat.shape == (x.shape if x.dim() == 2 else (2, *x.shape[2:]))
            assert attribution.isfinite().all()
        assert len(found.faithfulness) == 2
    assert same(before, state(net.module))
    assert torch.is_grad_enabled() == mode
    assert all(torch.equal(a, b) for a, b in zip(inputs, kept, strict=True))
    assert torch.overrides._get_current_function_mode_stack() == []


@pytest.mark.parametrize("name", METHODS)
def test_nothing_is_left_altered_when_it_is_stopped(name):
    class Stops(nn.ReLU):
        calls = 0

        def forward(self, x):
            Stops.calls += 1
            if Stops.calls > 4:
                raise KeyboardInterrupt
            return super().forward(x)

    net = convolutional()
    net.module[1] = Stops()
    net.module.train()
    before = state(net.module)
    with pytest.raises(KeyboardInterrupt):
        for _ in range(9):
            explain(net, pictures(net), name, 1, checks=METRICS, **FEW.get(name, {}))
    assert same(before, state(net.module))
    assert torch.is_grad_enabled()
    assert torch.overrides._get_current_function_mode_stack() == []


@pytest.mark.parametrize("name", METHODS)
def test_between_two_parts_of_the_work_nothing_is_held(name):
    net = convolutional()
    before = state(net.module)
    task, method = make_task(net, pictures(net), 1), get_method(name, **FEW.get(name, {}))
    for progress in iter_explain(task, method, checks=METRICS):
        assert same(before, state(net.module))
        assert torch.overrides._get_current_function_mode_stack() == []
        assert 0 <= progress.fraction <= 1
        assert progress.result().attribution.shape[0] == 2
    assert progress.fraction == 1


def test_by_default_a_class_activation_map_costs_a_couple_of_passes_and_no_metrics():
    net, image = residual(), pictures(residual(), 1)
    passes: list[int] = []
    net.module.register_forward_pre_hook(lambda *_: passes.append(1))
    first = explain(net, image)
    assert first.faithfulness == ()
    assert len(passes) <= 6  # once for each network and shape: what layers make, and whether rows mix
    passes.clear()
    assert torch.equal(explain(net, image).attribution, first.attribution)
    assert len(passes) <= 3  # the likeliest class, the last layer with maps, the gradient there
    passes.clear()
    for _ in iter_explain(make_task(net, image, 1), get_method("gradcam")):
        pass
    assert len(passes) <= 2
    assert len(explain(net, image, checks=("drop",)).faithfulness) == 1


def test_a_gradient_weighted_method_has_to_say_how_it_weighs():
    class Unfinished(GradientCam):
        name: str = "unfinished"

    with pytest.raises(TypeError, match="weigh_maps"):
        Unfinished()


def test_completeness_asks_the_method_what_its_sum_is_relative_to():
    class Propagation(InputXGradient):
        relative_to_baseline: ClassVar[bool] = False

    task = make_task(linear(), pictures(linear(), 1), 1)
    for method in (InputXGradient(compared_with="low"), Propagation(compared_with="low")):
        (last,) = iter_explain(task, method)
        (found,) = completeness_gap(task, method, last.result().attributions)
        baseline = task.batched(task.baseline("low"))[0] if method.relative_to_baseline else 0
        assert found.difference == pytest.approx(float(task.input_scores[0] - baseline), rel=1e-4)


@pytest.mark.parametrize("name", METHODS)
def test_rows_do_not_influence_each_other(name):
    net, images = convolutional(), pictures(convolutional(), 3)
    together = explain(net, images, name, [4, 0, 2], checks=(), **FEW.get(name, {})).attribution
    alone = explain(net, images[1], name, 0, checks=(), **FEW.get(name, {})).attribution
    scale = float(alone.abs().max()) or 1.0
    assert torch.allclose(together[1:2], alone, atol=1e-4 * scale)


@pytest.mark.parametrize("name", METHODS)
def test_several_targets_of_one_image(name):
    net, image = residual(), pictures(residual(), 1)
    found = explain(net, image, name, [2, "output:0", 2], checks=(), **FEW.get(name, {}))
    assert found.targets == ("output:2", "output:0", "output:2")
    assert torch.allclose(found.scores, net(image)[0, [2, 0, 2]].detach())
    scale = float(found.attribution.abs().max())
    assert torch.allclose(found.attribution[0], found.attribution[2], atol=1e-5 * scale)
    if scale > 0:  # class activation maps may be rectified to nothing
        assert not torch.allclose(found.attribution[0], found.attribution[1], atol=1e-5 * scale)


@pytest.mark.parametrize("name", METHODS)
def test_an_inner_unit_can_be_the_target(name):
    net, images = residual(), pictures(residual())
    found = explain(net, images, name, "two:3", checks=("drop",), **FEW.get(name, {}))
    assert found.heatmap.shape == (2, 10, 9)
    assert found.heatmap.abs().max() > 0 or name.endswith(("cam", "cam++"))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_explains_digits_better_than_chance_and_forgets(name):
    """The faithfulness suite, on the network that ships: over twelve digits, better than chance."""
    net = load("digits")
    samples = digits.test()
    images = samples.pixels(list(range(12))).float() / 255
    settings = {"rise": {"samples": 300}, "smoothgrad": {"samples": 8}, "integrated": {"steps": 16}}.get(
        name, {}
    )
    found = explain(net, images, name, samples.labels[:12].tolist(), checks=METRICS, **settings)
    ours = [
        r.deletion_insertion.curves.insertion_area - r.deletion_insertion.curves.deletion_area
        for r in found.faithfulness
    ]
    chance = [
        r.deletion_insertion.chance_insertion - r.deletion_insertion.chance_deletion
        for r in found.faithfulness
    ]
    assert sum(ours) > sum(chance) + 0.5, (sum(ours), sum(chance))
    for row in found.faithfulness:
        numbers = row.to_dict()
        assert 0 <= numbers["drop"] <= 1
        assert numbers["deletion_curve"][0] == pytest.approx(numbers["insertion_curve"][-1])
        assert len(numbers["rank_correlations"]) == len(numbers["randomised_layers"])
        assert ("sum" in numbers) == found.method.satisfies_completeness


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_frozen_data_with_words(name):
    kind = method_class(name)
    assert issubclass(kind, Method)
    made = kind()
    assert made.name == name
    assert kind.title
    assert kind.source
    assert kind.__doc__
    assert kind.model_config["frozen"]
    assert all(field.description for key, field in kind.model_fields.items() if key != "name")
    with pytest.raises(UsageError, match="a setting of"):
        get_method(name, nonsense=1)
    with pytest.raises(UsageError, match="a setting of"):
        method_class(name)(nonsense=1)


def test_one_dimension_five_channels_and_vectors():
    torch.manual_seed(2)
    signal = wrap(
        nn.Sequential(nn.Conv1d(5, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 18, 3)),
        TensorSpec((5, 20)),
    )
    vector = wrap(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)), TensorSpec((6,)))
    for name in METHODS:
        found = explain(signal, torch.rand(1, 5, 20), name, 1, checks=METRICS, **FEW.get(name, {}))
        assert found.heatmap.shape == (1, 20)
        if name.endswith(("cam", "cam++")):
            with pytest.raises(UsageError, match="maps"):
                explain(vector, torch.rand(1, 6), name, 1)
            continue
        found = explain(vector, torch.rand(1, 6), name, 1, checks=METRICS, **FEW.get(name, {}))
        assert found.heatmap.shape == (1, 6)
        assert found.heatmap.abs().max() > 0


def test_rectifying_methods_need_a_relu():
    for name in ("guided", "deconvnet"):
        with pytest.raises(UsageError, match="ReLU") as caught:
            explain(linear(), pictures(linear()), name, 1)
        assert "integrated" in str(caught.value)


def test_targets_that_make_no_sense():
    net, images = convolutional(), pictures(convolutional())
    with pytest.raises(UsageError, match="thing 2"):
        explain(net, images, target="thing two")
    with pytest.raises(UsageError, match="units 0 to 4"):
        explain(net, images, target=5)
    with pytest.raises(UsageError, match="2 images and 3 targets"):
        explain(net, images, target=[0, 1, 2])
    with pytest.raises(UsageError, match="name of a method"):
        explain(net, images, "gradcem")
    with pytest.raises(UsageError, match="checks that exist"):
        explain(net, images, checks=("deletoin",))
    with pytest.raises(UsageError, match="a target"):
        explain(wrap(nn.Conv2d(3, 2, 3), TensorSpec((3, 8, 8))), torch.rand(3, 8, 8))
    assert explain(net, images, checks=()).targets == tuple(
        net.classes[k] for k in net(images).argmax(1).tolist()
    )
    assert explain(net, images, target="thing 3", checks=()).targets == ("thing 3", "thing 3")


@pytest.mark.parametrize("name", METHODS)
def test_the_table_in_the_documentation_has_every_method(name):
    text = (Path(__file__).parents[3] / "docs" / "explaining.md").read_text(encoding="utf-8")
    said = " ".join(str(method_class(name).__doc__).split("\n\n")[0].split())
    assert f"| `{name}` | {said} | {method_class(name).source} |" in text
