"""Modules that make life hard for whoever looks inside."""

from collections import OrderedDict
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from convscope.graph import TensorSpec


class Reused(nn.Module):
    """One convolution and one ReLU, both used twice."""

    specs = (TensorSpec((4, 9, 11)),)

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.conv(self.relu(self.conv(x))))


class InPlace(nn.Module):
    """A ReLU that overwrites, and a residual sum that does too."""

    specs = (TensorSpec((3, 8, 8)),)

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.last = nn.Conv2d(6, 6, 1)

    def forward(self, x):
        x = self.relu(self.conv(x))
        y = self.last(x)
        y += x
        return y.mul_(2)


class DictOutput(nn.Module):
    """A dict of a tensor and a tuple, and an inner module that returns a tuple."""

    specs = (TensorSpec((2, 6, 10)),)

    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(2, 3, 3), nn.Conv2d(2, 5, 3)

        def forward(self, x):
            return self.a(x), {"deep": self.b(x)}

    def __init__(self):
        super().__init__()
        self.inner = self.Inner()

    def forward(self, x):
        first, rest = self.inner(x)
        return OrderedDict(logits=first.mean((2, 3)), maps=(first, rest["deep"]))


class Pair(NamedTuple):
    left: torch.Tensor
    right: torch.Tensor


class TwoInputs(nn.Module):
    """An image and a vector, a named tuple in between."""

    specs = (TensorSpec((3, 8, 6), name="image"), TensorSpec((4,), name="facts"))

    class Both(nn.Module):
        def forward(self, left, right):
            return Pair(left.mean((2, 3)), right)

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3, stride=2)
        self.both = self.Both()
        self.head = nn.Linear(9, 2)

    def forward(self, image, facts):
        pair = self.both(self.conv(image), facts)
        return self.head(torch.cat([pair.left, pair.right], 1))


class Choosing(nn.Module):
    """Which way, and how often, depends on the data."""

    specs = (TensorSpec((1, 12, 12)),)

    def __init__(self):
        super().__init__()
        self.bright, self.dark = nn.Conv2d(1, 2, 3), nn.Conv2d(1, 2, 5, padding=1)

    def forward(self, x):
        x = self.bright(x) if x.mean() > 0.4 else self.dark(x)
        while x.abs().max() > 1e-3:
            x = x / 10
        return functional.relu(x)


class Signal(nn.Module):
    """One dimension, several dilations."""

    specs = (TensorSpec((5, 40)),)

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(5, 8, 3, dilation=2), nn.BatchNorm1d(8), nn.ReLU(), nn.MaxPool1d(2)
        )
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.body(x).mean(-1))


class Swallowing(nn.Module):
    """Catches every exception of its parts."""

    specs = (TensorSpec((1, 5, 5)),)

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3)

    def forward(self, x):
        try:
            return self.conv(x)
        except Exception:
            return x


class Half(nn.Sequential):
    """Weights in half precision."""

    specs = (TensorSpec((1, 8, 8)),)

    def __init__(self):
        super().__init__(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 2))
        self.to(torch.bfloat16)


class Training(nn.Sequential):
    """Partly in training mode, partly with fixed parameters."""

    specs = (TensorSpec((1, 6, 14)),)

    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Flatten(), nn.Linear(144, 2)
        )
        self[0].eval()
        self[4].weight.requires_grad_(False)


class Folding(nn.Module):
    """Inside its block, the four patches of each image are rows of the batch, as in MobileViT."""

    specs = (TensorSpec((3, 8, 8)),)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.GELU())])

        def forward(self, x):
            b, c, h, w = x.shape
            x = x.view(b, c, 2, h // 2, 2, w // 2).permute(0, 2, 4, 3, 5, 1).reshape(4 * b, h * w // 4, c)
            x = self.layers[0](x)
            x = x.view(b, 2, 2, h // 2, w // 2, c).permute(0, 5, 1, 3, 2, 4)
            return x.reshape(b, c, h, w)

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.block = self.Block()
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.block(self.conv(x)).mean((2, 3)))


HOSTILE = (Reused, InPlace, DictOutput, TwoInputs, Choosing, Signal, Swallowing, Half, Training)
