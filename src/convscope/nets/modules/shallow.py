"""Networks of one hidden layer that approximate functions of one number."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

MOST = 2**16
"""Most hidden units of all networks; larger options in a file are refused before memory is taken."""


class Power(nn.Module):
    """Polynomial activation: the power of a fixed degree.

    Args:
        degree: exponent, a whole number above 0.
    """

    def __init__(self, degree: int) -> None:
        super().__init__()
        self.degree = degree

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Compute the power of each value.

        Args:
            x: numbers.

        Returns:
            `x ** degree`.
        """
        return x**self.degree


class OneHiddenLayer(nn.Module):
    """Network of one hidden layer: a sum of `width` activations of affine functions of one number.

    The hidden weights are drawn as 1 or -1, and the places where the arguments of the activations are 0
    uniformly from 0 to 1, where the inputs are: with PyTorch's own initialisation, most of these places lie
    elsewhere.

    Args:
        width: hidden units.
        activation: the activation.
    """

    def __init__(self, width: int, activation: nn.Module) -> None:
        super().__init__()
        self.hidden, self.activation, self.output = nn.Linear(1, width), activation, nn.Linear(width, 1)
        with torch.no_grad():
            signs = torch.randint(2, (width,)) * 2.0 - 1
            self.hidden.weight.copy_(signs[:, None])
            self.hidden.bias.copy_(-signs * torch.rand(width))

    def forward(self, x: Float[Tensor, "b 1"]) -> Float[Tensor, "b 1"]:
        """Compute the network's value.

        Args:
            x: numbers `[b 1]`.

        Returns:
            Values `[b 1]`.
        """
        return self.output(self.activation(self.hidden(x)))

    def interpolate(self, values: Float[Tensor, " knots"]) -> None:
        """Set the weights, in place, to the piecewise linear function through equidistant knots.

        Unit k is a ReLU that begins at the left end of the k-th of `width` segments of [0, 1]; its output
        weight is the change of the slope there, and the output bias is the first value. For a function whose
        second derivative is at most c, the error is at most `c / (8 width^2)`.

        Args:
            values: values at the `width + 1` ends of the segments, from left to right.
        """
        width = len(values) - 1
        slopes = values.diff() * width
        with torch.no_grad():
            self.hidden.weight.fill_(1)
            self.hidden.bias.copy_(-torch.arange(width) / width)
            self.output.weight.copy_(torch.cat([slopes[:1], slopes.diff()])[None])
            self.output.bias.copy_(values[:1])


class OneHiddenLayers(nn.Module):
    """Networks of one hidden layer of several widths, side by side on the same input.

    Three of each width: two with ReLUs, and one with a polynomial activation. The first is meant to start at
    an interpolation (`OneHiddenLayer.interpolate`): its output weights are 0 until it is set.

    Args:
        widths: hidden units of each network.
        degree: degree of the polynomial activation.

    Source: Cybenko 1989, Approximation by Superpositions of a Sigmoidal Function; Leshno, Lin, Pinkus and
        Schocken 1993, Multilayer Feedforward Networks with a Nonpolynomial Activation Function.
    """

    kind = "one_hidden_layer"

    def __init__(self, widths: Sequence[int] = (4, 8, 16, 32, 64), degree: int = 3) -> None:
        super().__init__()
        self.widths, self.degree = tuple(widths), degree
        if not self.widths or not all(type(n) is int and n > 0 for n in (*self.widths, degree)):
            raise ValueError(f"widths and a degree above 0, not {self.widths}, {degree}")
        if sum(self.widths) > MOST or degree > 16:
            raise ValueError(f"at most {MOST} hidden units and degree 16, not {sum(self.widths)}, {degree}")
        fresh = [OneHiddenLayer(n, nn.ReLU()) for n in self.widths]
        for network in fresh:
            nn.init.zeros_(network.output.weight)
        self.interpolating = nn.ModuleList(fresh)
        self.random = nn.ModuleList(OneHiddenLayer(n, nn.ReLU()) for n in self.widths)
        self.polynomial = nn.ModuleList(OneHiddenLayer(n, Power(degree)) for n in self.widths)

    def unset(self) -> list[OneHiddenLayer]:
        """Return the networks that start at an interpolation and have not been set to it.

        Returns:
            Those whose output weights are all 0, in the order of `widths`.
        """
        networks = cast(list[OneHiddenLayer], list(self.interpolating))
        return [one for one in networks if not bool(one.output.weight.any())]

    @property
    def input_shape(self) -> tuple[int]:
        """Shape of the input: one number."""
        return (1,)

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of the constructor, JSON-ready."""
        return {"widths": list(self.widths), "degree": self.degree}

    def forward(self, x: Float[Tensor, "b 1"]) -> Float[Tensor, "b networks"]:
        """Compute the value of every network.

        Args:
            x: numbers `[b 1]`.

        Returns:
            Values, those of all widths of one kind after the other: from the interpolation, from random
            weights, polynomial.
        """
        networks = (*self.interpolating, *self.random, *self.polynomial)
        return torch.cat([network(x) for network in networks], 1)
