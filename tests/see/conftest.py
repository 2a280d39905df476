import pytest
import torch
from torch import nn

from convscope.graph.spec import TensorSpec
from convscope.nets import Net, wrap

torch.set_num_threads(1)


@pytest.fixture
def small() -> Net:
    """Two convolutions over colour, any size, no dense layer; weights of a fixed seed."""
    torch.manual_seed(3)
    module = nn.Sequential()
    module.add_module("conv1", nn.Conv2d(3, 8, 3, padding=1))
    module.add_module("relu1", nn.ReLU())
    module.add_module("conv2", nn.Conv2d(8, 6, 3, stride=2))
    module.add_module("relu2", nn.ReLU(inplace=True))
    return wrap(module, TensorSpec((3, 20, 24), mean=(0.5,), std=(0.25,)))


@pytest.fixture
def digit_net() -> Net:
    """The lecture's shape, small, of one size only; weights of a fixed seed."""
    torch.manual_seed(5)
    module = nn.Sequential()
    for name, part in {
        "conv1": nn.Conv2d(1, 5, 3),
        "relu1": nn.ReLU(),
        "pool1": nn.MaxPool2d(2),
        "conv2": nn.Conv2d(5, 7, 3),
        "relu2": nn.ReLU(),
        "pool2": nn.MaxPool2d(2),
        "flatten": nn.Flatten(),
        "dense1": nn.Linear(175, 12),
        "relu3": nn.ReLU(),
        "dense2": nn.Linear(12, 10),
    }.items():
        module.add_module(name, part)
    return wrap(module, TensorSpec((1, 28, 28)), classes=[f"digit {d}" for d in range(10)])
