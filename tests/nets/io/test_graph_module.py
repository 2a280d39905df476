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
    with pytest.raises(GraphError, match="roll can be described, not built"):
        build(graph)
