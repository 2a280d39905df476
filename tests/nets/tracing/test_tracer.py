import pytest
import timm
import torch
import torchvision
from tests.nets.hostile import HOSTILE, DictOutput, Reused, Signal, TwoInputs
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from convscope.errors import GraphError
from convscope.graph import chain
from convscope.graph.analysis.receptive_field import receptive_fields
from convscope.nets import build, describe, frozen, trace, wrap
from convscope.nets.tracing.tracer import observe

QUICK = ("torchvision/resnet18", "timm/mobilenetv3_small_050", "timm/convnext_atto")
FAMILIES = (
    "torchvision/alexnet",
    "torchvision/squeezenet1_1",
    "torchvision/vgg11_bn",
    "torchvision/googlenet",
    "torchvision/inception_v3",
    "torchvision/densenet121",
    "torchvision/mobilenet_v2",
    "torchvision/mnasnet0_5",
    "torchvision/resnext50_32x4d",
    "torchvision/shufflenet_v2_x0_5",
    "torchvision/efficientnet_b0",
    "torchvision/regnet_y_400mf",
    "torchvision/convnext_tiny",
    "torchvision/swin_t",
    "torchvision/vit_b_32",
    "torchvision/maxvit_t",
    "timm/legacy_xception",
    "timm/resnetv2_50",
    "timm/nfnet_l0",
    "timm/tf_efficientnet_b0",
    "timm/mixer_s32_224",
    "timm/convnextv2_atto",
    "timm/inception_v4",
    "timm/dla34",
    "timm/hrnet_w18_small",
    "timm/repvgg_a0",
    "timm/mobilevit_xs",
    "timm/poolformer_s12",
    "timm/res2net50_14w_8s",
    "timm/resnest14d",
    "timm/ghostnet_100",
    "timm/levit_128s",
    "timm/halonet26t",
    "timm/gernet_s",
    "timm/efficientformer_l1",
    "timm/fastvit_t8",
)


def open_model(ref):
    torch.manual_seed(0)
    library, name = ref.split("/")
    if library == "timm":
        module = timm.create_model(name)
        return module, torch.rand(1, *module.default_cfg["input_size"])
    extra = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    module = torchvision.models.get_model(name, **extra)
    return module, torch.rand(1, 3, *((299, 299) if name == "inception_v3" else (224, 224)))


def reference(module, x):
    """Multiplications as torch counts them, and the shapes that hooks see."""
    shapes = {}
    handles = [
        part.register_forward_hook(lambda _m, _i, out, name=name: shapes.setdefault(name, []).append(out))
        for name, part in module.named_modules()
        if name and not any(True for _ in part.children())
    ]
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # the fused kernel has no formula
    try:
        with frozen(module), torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(x)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for handle in handles:
            handle.remove()
    return counter.get_total_flops() // 2, shapes


def agree(ref, size=None):
    module, x = open_model(ref)
    x = x[..., :size, :size]
    macs, outputs = reference(module, x)
    seen = observe(module, x)
    graph, names = seen.graph, [node.name for node in seen.graph.nodes]
    assert sum(n.layer.macs(*graph.input_shapes(n.name)) for n in graph.nodes) == macs
    used = {weight for call in seen.calls.values() for weight in call.weights}
    sizes = {name: p.numel() for name, p in module.named_parameters()}
    assert used <= set(sizes)
    idle = {name for name in sizes if name not in used}
    assert all(name.startswith(("aux", "AuxLogits")) for name in idle), idle
    assert sum(n.layer.parameter_count(*graph.input_shapes(n.name)) for n in graph.nodes) == sum(
        sizes[name] for name in used
    )
    compared = 0
    for name, calls in outputs.items():
        for number, out in enumerate(calls, start=1):
            place = name if len(calls) == 1 else f"{name}#{number}"
            if place in names and isinstance(out, torch.Tensor) and len(graph.shapes[place]) == out.ndim - 1:
                canonical = tuple(out.shape[1:])
                moved = (canonical[-1], *canonical[:-1])
                assert graph.shapes[place] in (canonical, moved), place
                compared += 1
    assert compared > 10
    return graph


@pytest.mark.parametrize("ref", QUICK)
@pytest.mark.slow
def test_counts_are_torch_s(ref):
    graph = agree(ref, size=96)
    if "convnext" not in ref:
        assert all(node.layer.kind != "foreign" for node in graph.nodes)


@pytest.mark.exhaustive
@pytest.mark.parametrize("ref", FAMILIES)
@pytest.mark.filterwarnings("ignore")
def test_counts_are_torch_s_for_many_families(ref):
    agree(ref)


@pytest.mark.parametrize(
    "text",
    [
        "conv 8 3x3 padding=1, batchnorm, relu, maxpool 3 stride=2 padding=1, "
        "conv 6 3x1 groups=2 dilation=2, sigmoid, avgpool 2 stride=1, flatten, "
        "dense 12 bias=false, leakyrelu 0.2, dropout 0.3, dense 5, softmax",
        "conv 4 5x5 stride=2, elu, lrn 3, convtranspose 3 4x4 stride=2 padding=1, upsample 2, gelu, "
        "globalavgpool, dense 4",
        "conv 4 3x3, silu, adaptiveavgpool 3, hardswish, layernorm, flatten, dense 3, tanh",
    ],
)
def test_a_chain_comes_back_and_can_be_built(text):
    graph = chain("2x21x18", text)
    module = build(graph, seed=0).eval()
    again = trace(module, torch.rand(1, 2, 21, 18))
    assert again == graph
    twin = build(again).eval()
    twin.load_state_dict(module.state_dict())
    x = torch.rand(3, 2, 21, 18)
    assert torch.equal(twin(x), module(x))


def test_a_torchvision_network_can_be_built_again():
    module = torchvision.models.resnet18()
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.normal_()
                part.running_var.uniform_(0.5, 2)
    twin = build(trace(module, torch.rand(1, 3, 64, 96)))
    twin.load_state_dict(module.state_dict())
    x = torch.rand(2, 3, 64, 96)
    assert torch.equal(twin.eval()(x), module.eval()(x))


def test_functions_are_recognised_like_modules():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 1, 3, 3))
            self.gain = nn.Parameter(torch.ones(4, 1, 1, 1))
            self.scale = nn.Parameter(torch.ones(4, 1, 1))

        def forward(self, x):
            x = functional.conv2d(x, self.weight, padding=1).relu_()
            x = functional.conv2d(x, (self.weight * self.gain).expand(4, 4, 3, 3), padding=1)
            return functional.max_pool2d(x * self.scale, 2).flatten(1)

    seen = observe(Functional(), torch.rand(1, 1, 6, 6))
    kinds = {node.name: node.layer.kind for node in seen.graph.nodes}
    assert kinds == {
        "conv": "conv2d",
        "relu": "relu",
        "conv2d": "foreign",
        "mul": "foreign",
        "pool": "maxpool2d",
        "flatten": "flatten",
    }
    assert set(seen.calls["conv2d"].weights) == {"weight", "gain"}
    assert receptive_fields(seen.graph)["pool"].size == (6, 6)


def test_names_of_repeated_calls_and_functions():
    graph = trace(Reused(), torch.rand(1, 4, 9, 11))
    assert [node.name for node in graph.nodes] == ["conv#1", "relu#1", "conv#2", "relu#2"]


@pytest.mark.parametrize("kind", HOSTILE, ids=lambda kind: kind.__name__)
def test_any_module_can_be_described_and_stays_as_it_was(kind):
    torch.manual_seed(0)
    module = kind()
    before = {name: t.clone() for name, t in module.state_dict().items()}
    modes = [m.training for m in module.modules()]
    flags = [p.requires_grad for p in module.parameters()]
    description = describe(wrap(module, module.specs))
    assert description.parameters == sum(p.numel() for p in module.parameters())
    assert sum(layer.parameters for layer in description.layers) == description.parameters - description.idle
    assert [m.training for m in module.modules()] == modes
    assert [p.requires_grad for p in module.parameters()] == flags
    assert all(torch.equal(t, before[name]) for name, t in module.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())


def test_several_results_and_inputs():
    seen = observe(DictOutput(), torch.rand(1, 2, 6, 10))
    assert seen.result == {"logits": "pool", "maps.0": "inner.a", "maps.1": "inner.b"}
    two = trace(TwoInputs(), (torch.rand(1, 3, 8, 6), torch.rand(1, 4)))
    assert dict(two.inputs) == {"image": (3, 8, 6), "facts": (4,)}
    assert two["concat"].inputs == ("both", "facts")
    assert receptive_fields(trace(Signal(), torch.rand(1, 5, 40)))["body.3"].size == (6,)


def test_code_that_cannot_be_watched_is_one_foreign_layer():
    class Wrapped(nn.Module):
        def forward(self, x):
            return torch.from_numpy(x.numpy() * 2)

    module = nn.Sequential(nn.Conv2d(1, 2, 3), Wrapped(), nn.Conv2d(2, 1, 1))
    graph = trace(module, torch.rand(1, 1, 5, 5))
    assert [(n.name, n.layer.kind) for n in graph.nodes] == [
        ("0", "conv2d"),
        ("1", "foreign"),
        ("2", "conv2d"),
    ]
    assert graph["1"].layer.path.endswith("Wrapped")
    assert graph["2"].inputs == ("1",)


def test_a_result_from_nowhere():
    class Constant(nn.Module):
        def forward(self, x):
            return torch.ones(1)

    with pytest.raises(GraphError, match="computed from the inputs"):
        trace(Constant(), torch.rand(1, 2))


def reads(module, place, position, x):
    """The box of input pixels whose gradient is not zero, over many inputs."""
    part, kept = module.get_submodule(place), []
    handle = part.register_forward_hook(lambda _m, _i, out: kept.append(out))
    x = x.clone().requires_grad_()
    with frozen(module):
        module(x)
    handle.remove()
    out = kept[-1]
    out[(slice(None), slice(None), *position)].square().sum().backward()
    rows, columns = (x.grad.abs().amax((0, 1)).amax(axis) > 0 for axis in (1, 0))
    return tuple((int(hit.nonzero()[0]), int(hit.nonzero()[-1]) + 1) for hit in (rows, columns))


@pytest.mark.parametrize(
    ("ref", "place"),
    [
        ("timm/convnext_atto", "stages.1.blocks.0.conv_dw"),
        ("torchvision/squeezenet1_1", "features.4.expand3x3"),
        *(
            pytest.param(*case, marks=pytest.mark.exhaustive)
            for case in (
                ("torchvision/mobilenet_v2", "features.4.conv.1.0"),
                ("torchvision/densenet121", "features.denseblock1.denselayer3.conv2"),
                ("timm/tf_efficientnet_b0", "blocks.1.0.conv_pw"),
                ("timm/dla34", "level2.tree2.conv1"),
            )
        ),
    ],
)
def test_receptive_fields_are_where_the_gradient_is(ref, place):
    module, x = open_model(ref)
    x = torch.rand(3, *x.shape[1:])[..., :96, :128]
    field = receptive_fields(trace(module, x[:1]))[place]
    for position in ((0, 0), (4, 6)):
        assert field.box(position) == reads(module, place, position, x)
