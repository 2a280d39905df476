"""Small networks for which every method's answer can be had elsewhere."""

import torch
from torch import nn

from convscope.graph.spec import TensorSpec
from convscope.nets import Net, wrap

PLAIN = TensorSpec((3, 12, 14))


def convolutional(bias: bool = True) -> Net:
    """Two convolutions with a pool, two dense layers; ReLUs as modules, none of them used twice."""
    torch.manual_seed(7)
    return wrap(
        nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1, bias=bias),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, bias=bias),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(8 * 4 * 5, 12, bias=bias),
            nn.ReLU(),
            nn.Linear(12, 5, bias=bias),
        ).eval(),
        PLAIN,
        classes=[f"thing {k}" for k in range(5)],
    )


def linear() -> Net:
    """A network without any bend: what each value contributes is its weight times itself."""
    torch.manual_seed(8)
    return wrap(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4 * 5 * 6, 3)).eval(),
        TensorSpec((3, 12, 14), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25)),
    )


class Residual(nn.Module):
    """Normalised convolutions, a functional in-place ReLU, a residual sum, a gate, concatenation, mean."""

    def __init__(self):
        super().__init__()
        self.one, self.norm_one = nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.two, self.norm_two = nn.Conv2d(6, 6, 3, padding=1, groups=2), nn.BatchNorm2d(6)
        self.squeeze = nn.Conv2d(6, 6, 1)
        self.head = nn.Linear(12, 4)

    def forward(self, x):
        x = nn.functional.relu(self.norm_one(self.one(x)), inplace=True)
        y = self.norm_two(self.two(x))
        y += x
        gate = torch.sigmoid(self.squeeze(y.mean((2, 3), keepdim=True)))
        y = torch.cat([nn.functional.max_pool2d(y.relu_() * gate, 2), nn.functional.avg_pool2d(x, 2)], 1)
        return self.head(y.mean((2, 3)))


def residual() -> Net:
    torch.manual_seed(9)
    module = Residual()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.uniform_(-0.5, 0.5)
            part.running_var.uniform_(0.5, 2)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias)
    return wrap(module.eval(), TensorSpec((3, 10, 9), mean=(0.5,), std=(0.25,)))


def pictures(net: Net, count: int = 2, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, *net.input_spec.shape, generator=torch.Generator().manual_seed(seed))
