"""PixelRNN with Diagonal BiLSTM layers: every pixel sees all pixels before it."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn import functional
from typing_extensions import override

from convscope.nets.modules.generative.autoregressive import AutoregressiveImages, MaskedConv2d

FIRST = 7
"""Side of the kernel of the first layer, in pixels."""
GATES = 4
"""Output, forget and input gate, and the content."""
MOST = 2**24
"""Most weights of a layer; larger options in a file are refused before memory is taken."""


def skew(maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h d"]:
    """Shift each row by one place to the right of the row above, so that diagonals become columns.

    Args:
        maps: maps `[b c h w]`.

    Returns:
        Maps of `h + w - 1` columns, 0 where a row has no pixel.
    """
    height, width = maps.shape[2:]
    padded = functional.pad(maps, (0, height)).flatten(2)
    return padded[:, :, : height * (width + height - 1)].unflatten(2, (height, width + height - 1))


def unskew(maps: Float[Tensor, "b c h d"]) -> Float[Tensor, "b c h w"]:
    """Shift the rows back: the inverse of `skew`.

    Args:
        maps: maps `[b c h d]` of `h + w - 1` columns.

    Returns:
        Maps of w columns.
    """
    height, columns = maps.shape[2:]
    padded = functional.pad(maps.flatten(2), (0, height)).unflatten(2, (height, columns + 1))
    return padded[:, :, :, : columns + 1 - height]


class DiagonalBiLSTM(nn.Module):
    """Diagonal BiLSTM: two LSTMs that move along the diagonals, one to the right and one to the left.

    The state of a pixel is computed from its own input and from the states of its neighbours at the side that
    the LSTM comes from and above; missing ones are 0. The LSTM that moves to the left has seen the rest of
    its row, so its result is shifted down by one row before it is added to the other's.

    Args:
        in_channels: maps that are read, each pixel for itself.
        hidden: maps of the state of each direction, and of the result.

    Source: van den Oord, Kalchbrenner and Kavukcuoglu 2016, Pixel Recurrent Neural Networks,
        arXiv:1601.06759, section 3.2, equation 3.
    """

    def __init__(self, in_channels: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        bound = (2 * hidden + in_channels) ** -0.5
        self.weight = nn.Parameter(torch.empty(2, GATES * hidden, 2 * hidden + in_channels))
        self.bias = nn.Parameter(torch.empty(2, GATES * hidden, 1))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b hidden h w"]:
        """Run both LSTMs.

        Args:
            x: maps `[b c h w]`.

        Returns:
            The sum of both results; that of a pixel depends on no input pixel behind it in reading order.
        """
        right, left = unskew(self._states(skew(torch.stack([x, x.flip(3)], 1).flatten(1, 2)))).chunk(2, 1)
        return right + functional.pad(left.flip(3)[:, :, :-1], (0, 0, 1, 0))

    def _states(self, inputs: Tensor) -> Tensor:
        """Return the states `[b 2*hidden h d]` of both directions on skewed maps, column by column."""
        batch, _, height, _ = inputs.shape
        directed = inputs.unflatten(1, (2, -1)).permute(4, 1, 2, 0, 3).flatten(3)  # d, direction, c, b*h
        there = self._there(inputs).repeat(1, batch)  # d, b*h
        state = cell = inputs.new_zeros(2, self.hidden, batch * height)
        found = []
        for own, pixels in zip(directed.unbind(0), there, strict=True):
            above = functional.pad(state.unflatten(2, (batch, height))[..., :-1], (1, 0)).flatten(2)
            state, cell = self.advance(torch.cat([above, state, own], 1), cell)
            state, cell = state * pixels, cell * pixels
            found.append(state)
        states = torch.stack(found).unflatten(3, (batch, height))
        return states.permute(3, 1, 2, 4, 0).flatten(1, 2)

    def advance(
        self,
        read: Float[Tensor, "directions k n"],
        cell: Float[Tensor, "directions hidden n"],
        directions: slice = slice(None),
    ) -> tuple[Float[Tensor, "directions hidden n"], Float[Tensor, "directions hidden n"]]:
        """Compute the states of n pixels from those of their neighbours.

        Args:
            read: states above, states at the side that the LSTM comes from, and inputs.
            cell: cells at that side.
            directions: which of the two LSTMs, the first of which moves to the right.

        Returns:
            Their states and cells.
        """
        sums = torch.baddbmm(self.bias[directions], self.weight[directions], read)
        gates, content = sums.split([(GATES - 1) * self.hidden, self.hidden], 1)
        output, forget, enter = gates.sigmoid().chunk(3, 1)
        cell = forget * cell + enter * content.tanh()
        return output * cell.tanh(), cell

    @staticmethod
    def _there(inputs: Tensor) -> Tensor:
        """Return for each skewed column which rows have a pixel in it, `[d h]`, as 0 and 1."""
        height, columns = inputs.shape[2:]
        ones = inputs.new_ones(1, 1, height, columns + 1 - height)
        return skew(ones)[0, 0].T


class PixelRNN(AutoregressiveImages):
    """PixelRNN for binary images of one channel: Diagonal BiLSTM layers with residual connections.

    Maps have one column more than the images, at the right. Its places read the last pixel of their row,
    which the mask hides from the place of that pixel: without them, the row below would not see it, and every
    pixel would see all before it but that one.

    Args:
        shape: channels (1), height and width of the images.
        hidden: maps of each LSTM's state; twice as many between the layers.
        layers: Diagonal BiLSTM layers behind the first, masked convolution.

    Source: van den Oord, Kalchbrenner and Kavukcuoglu 2016, arXiv:1601.06759, sections 3.2 to 3.5.
    """

    kind = "pixelrnn"

    def __init__(self, shape: Sequence[int] = (1, 28, 28), hidden: int = 16, layers: int = 1) -> None:
        super().__init__()
        self.input_shape, self.hidden, self.count = tuple(shape), hidden, layers
        sizes = (*self.input_shape, hidden, layers)
        if not all(type(size) is int and size > 0 for size in sizes) or self.input_shape[0] != 1:
            raise ValueError(f"one channel, and whole numbers above 0, not {sizes}")
        if 4 * GATES * hidden * hidden * layers > MOST:
            raise ValueError(f"at most {MOST} weights, not {hidden} maps in {layers} layers")
        self.first = MaskedConv2d(1, 2 * hidden, FIRST, own=False)
        self.recurrent = nn.ModuleList(DiagonalBiLSTM(2 * hidden, hidden) for _ in range(layers))
        self.widen = nn.ModuleList(nn.Conv2d(hidden, 2 * hidden, 1) for _ in range(layers))
        self.last = nn.Sequential(
            nn.ReLU(), nn.Conv2d(2 * hidden, 2 * hidden, 1), nn.ReLU(), nn.Conv2d(2 * hidden, 1, 1)
        )

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of the constructor, JSON-ready."""
        return {"shape": list(self.input_shape), "hidden": self.hidden, "layers": self.count}

    def forward(self, x: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"]:
        """Compute the logits of all pixels, each given those before it.

        Args:
            x: binary images `[b 1 h w]`.

        Returns:
            Logits of each pixel being 1; that of a pixel depends on no pixel from itself on.
        """
        features = self.first(functional.pad(x, (0, 1)))
        for recurrent, widen in zip(self.recurrent, self.widen, strict=True):
            features = features + widen(recurrent(features))
        return self.last(features[..., :-1])

    @override
    def sample(
        self, images: Float[Tensor, "b 1 h w"], generator: Generator, start: int = 0
    ) -> Float[Tensor, "b 1 h w"]:
        batch, _, height, width = images.shape
        around = (FIRST // 2, FIRST // 2 + 1, FIRST // 2, FIRST // 2)
        padded = functional.pad(images, around)  # states are kept: nothing is computed twice
        drawn = padded[:, :, FIRST // 2 :, FIRST // 2 :]
        drawn[:, :, start:] = 0
        layers = [_Rows(cast(DiagonalBiLSTM, layer), batch, width + 1) for layer in self.recurrent]
        weight = self.first.weight * self.first.mask
        for row in range(height):
            for column in range(width + 1):
                window = padded[:, :, row : row + FIRST, column : column + FIRST]
                features = functional.conv2d(window, weight, self.first.bias)
                for rows, widen in zip(layers, self.widen, strict=True):
                    features = features + widen(rows.pixel(features, column))
                if row >= start and column < width:
                    chance = torch.sigmoid(self.last(features).flatten()).cpu()
                    drawn[:, 0, row, column] = torch.bernoulli(chance, generator=generator).to(drawn)
            for rows in layers:
                rows.end_row()
        return drawn[:, :, :height, :width].clone()


class _Rows:
    """States of a Diagonal BiLSTM in the row that is drawn and in the one above it.

    Args:
        layer: the layer.
        batch: number of images.
        width: columns of the maps.
    """

    def __init__(self, layer: DiagonalBiLSTM, batch: int, width: int) -> None:
        self.layer = layer
        self.zero = layer.weight.new_zeros(1, layer.hidden, batch)
        self.above = {0: [self.zero] * width, 1: [self.zero] * width}  # states of each direction
        self.inputs: list[Tensor] = []
        self.states, self.cell = [self.zero], self.zero  # of the LSTM that moves to the right

    def pixel(self, x: Tensor, column: int) -> Tensor:
        """Return the result `[b hidden 1 1]` for the input `[b c 1 1]` of the next pixel of the row."""
        own = x.flatten(1).T[None]
        self.inputs.append(own)
        read = torch.cat([self.above[0][column], self.states[-1], own], 1)
        state, self.cell = self.layer.advance(read, self.cell, slice(0, 1))
        self.states.append(state)
        return (state + self.above[1][column])[0].T[..., None, None]

    def end_row(self) -> None:
        """Run the LSTM that moves to the left over the finished row, and begin the next."""
        state = cell = self.zero
        found = []
        for above, own in zip(reversed(self.above[1]), reversed(self.inputs), strict=True):
            state, cell = self.layer.advance(torch.cat([above, state, own], 1), cell, slice(1, 2))
            found.append(state)
        self.above = {0: self.states[1:], 1: found[::-1]}
        self.inputs, self.states, self.cell = [], [self.zero], self.zero
