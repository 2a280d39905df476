"""Modules between convolutions and time: LSTM over maps, channels as an axis, logarithm of energies."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Log(nn.Module):
    """Logarithm: `log(x + offset)`.

    Args:
        offset: added first; positive.
    """

    def __init__(self, offset: float = 0.01) -> None:
        super().__init__()
        self.offset = offset

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Apply the logarithm.

        Args:
            x: values above `-offset`.

        Returns:
            Logarithms of the same shape.
        """
        return torch.log(x + self.offset)


class Unsqueeze(nn.Module):
    """Channels as an axis: `[b c t]` becomes one map `[b 1 c t]`."""

    def forward(self, x: Float[Tensor, "b c t"]) -> Float[Tensor, "b 1 c t"]:
        """Add the axis.

        Args:
            x: `[b c t]`.

        Returns:
            `[b 1 c t]`, a view.
        """
        return x[:, None]


class LSTM(nn.LSTM):
    """Long short-term memory along the last axis; channels, and height where there is one, are its features.

    Args:
        input_size: number of features of a time step.
        hidden_size: number of cells.
        num_layers: number of layers.
        bidirectional: whether a second one runs backwards in time; the outputs of both are concatenated.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            batch_first=True,
            bidirectional=bidirectional,
        )

    def forward(self, x: Float[Tensor, "b *features t"]) -> Float[Tensor, "b h t"]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Run over the time steps.

        Args:
            x: `[b c t]` or `[b c h t]`.

        Returns:
            The output at every time step `[b h t]`.
        """
        outputs, _ = super().forward(x.flatten(1, -2).transpose(1, 2))
        return outputs.transpose(1, 2)
