import pytest
import torch

from convscope.errors import GraphError
from convscope.graph import Graph, Node, chain
from convscope.graph.layers import LAYERS
from convscope.nets import build

LECTURE = "conv 25 3x3, maxpool 2, conv 50 3x3, maxpool 2, flatten, dense 100, relu, dense 10, softmax"


def test_the_lecture_s_network():
    module = build(chain("1x28x28", LECTURE), seed=0)
    assert [name for name, _ in module.named_children()] == [
        "conv1",
        "pool1",
        "conv2",
        "pool2",
        "flatten",
        "dense1",
        "relu1",
        "dense2",
        "softmax",
    ]
    assert sum(p.numel() for p in module.parameters()) == 137_660
    torch.manual_seed(0)
    same = torch.nn.Sequential(
        torch.nn.Conv2d(1, 25, 3),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(25, 50, 3),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(1250, 100),
        torch.nn.ReLU(),
        torch.nn.Linear(100, 10),
        torch.nn.Softmax(1),
    )
    x = torch.rand(3, 1, 28, 28)
    assert torch.equal(module(x), same(x))


def test_a_seed_repeats_and_leaves_the_global_generator():
    graph = chain("1x8x8", "conv 2 3x3, flatten, dense 2")
    state = torch.random.get_rng_state()
    first, second, other = build(graph, seed=3), build(graph, seed=3), build(graph, seed=4)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first.conv1.weight, second.conv1.weight)
    assert not torch.equal(first.conv1.weight, other.conv1.weight)


def diamond():
    conv, add, relu, dense = LAYERS["conv2d"], LAYERS["add"], LAYERS["relu"], LAYERS["dense"]
    nodes = (
        Node("left.conv", conv(4, 3, padding=1), ("image",)),
        Node("right.conv", conv(4, 1), ("image",)),
        Node("sum", add(), ("left.conv", "right.conv")),
        Node("again", relu(), ("sum",)),
        Node("facts", dense(2), ("vector",)),
    )
    return Graph({"image": (3, 6, 5), "vector": (7,)}, nodes, ("again", "facts", "sum"))


def test_branches_several_inputs_and_outputs():
    module = build(diamond(), seed=0)
    image, vector = torch.rand(2, 3, 6, 5), torch.rand(2, 7)
    result = module(image, vector)
    both = module.left.conv(image) + module.right.conv(image)
    assert list(result) == ["again", "facts", "sum"]
    assert torch.equal(result["sum"], both)
    assert torch.equal(result["again"], both.relu())
    assert torch.equal(result["facts"], module.facts(vector))
    assert set(module.state_dict()) >= {"left.conv.weight", "right.conv.bias", "facts.weight"}
    with pytest.raises(GraphError, match="image, vector"):
        module(image)


@pytest.mark.parametrize("name", ["train", "forward", "graph", "_modules", "", "a..b", "parameters"])
def test_a_name_no_module_can_bear(name):
    graph = Graph({"input": (1, 4, 4)}, (Node(name, LAYERS["relu"](), ("input",)),))
    with pytest.raises(GraphError, match="name"):
        build(graph)


def test_foreign_layers_are_not_built():
    graph = Graph({"input": (2,)}, (Node("roll", LAYERS["foreign"]("torch.roll", (2,)), ("input",)),))
    with pytest.raises(GraphError, match="a network without roll, which can be described but not built"):
        build(graph)


def test_pooling_before_relu_in_training_is_bit_for_bit_the_same():
    """Ties, windows without a positive value, overlapping and padded windows: outputs and all gradients."""
    text = "conv 6 3x3 padding=1, relu, maxpool 3 stride=2 padding=1, conv 4 3x3, relu, maxpool 2"
    module = build(chain("2x20x20", f"{text}, flatten, dense 3"), seed=0)
    for bias in (module.conv1.bias, module.conv2.bias):
        bias.data -= 0.3  # many windows without a positive value
    images = (torch.rand(5, 2, 20, 20) * 4).round() / 4  # many ties
    plain = torch.nn.Sequential(*module.children())
    found = []
    for net in (module, plain):
        module.zero_grad()
        output = net(images)
        output.square().sum().backward()
        found.append([output.detach(), *(p.grad.clone() for p in module.parameters())])
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))
    with torch.no_grad():
        assert (module.pool1(module.relu1(module.conv1(images))) == 0).any()


def test_pooling_comes_first_only_in_training_and_without_hooks():
    module = build(chain("1x9x9", "conv 2 2x2, relu, maxpool 2, relu, flatten, dense 2"), seed=0)
    order = []
    seen = {}

    def forward(net):
        order.clear()
        net(torch.rand(2, 1, 9, 9))
        return list(order)

    for name in ("conv1", "relu1", "pool1", "relu2"):
        layer = module.get_submodule(name)
        layer.forward = lambda x, run=layer.forward, name=name: (order.append(name), run(x))[1]
    assert forward(module.train()) == ["conv1", "pool1", "relu1", "relu2"]
    assert forward(module.eval()) == ["conv1", "relu1", "pool1", "relu2"]
    for place in ("relu1", "pool1"):
        hook = module.get_submodule(place).register_forward_hook(
            lambda _m, _i, output, place=place: seen.update({place: output.shape})
        )
        assert forward(module.train()) == ["conv1", "relu1", "pool1", "relu2"]
        hook.remove()
    assert seen == {"relu1": (2, 2, 8, 8), "pool1": (2, 2, 4, 4)}


def test_a_relu_that_others_read_stays_before_its_pooling():
    conv, relu, pool, flatten = (LAYERS[kind] for kind in ("conv2d", "relu", "maxpool2d", "flatten"))
    nodes = (
        Node("conv", conv(2, 3), ("image",)),
        Node("relu", relu(), ("conv",)),
        Node("pool", pool(2), ("relu",)),
        Node("flat", flatten(), ("relu",)),
    )
    shared = build(Graph({"image": (1, 6, 6)}, nodes, ("pool", "flat")), seed=0)
    output = build(Graph({"image": (1, 6, 6)}, nodes[:3], ("relu", "pool")), seed=0)
    x = torch.rand(1, 1, 6, 6)
    for module in (shared, output):
        alike = module.relu(module.conv(x))
        found = module.train()(x)
        assert torch.equal(found["pool"], module.pool(alike))
    assert torch.equal(found["relu"], alike)
