"""Embedding of tokens as channels of a signal, and max pooling over time that leaves padding out."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from convscope.graph.spec import PADDING

SPREAD = 0.25
"""Fresh vectors are uniform in [-SPREAD, SPREAD]: about word2vec's variance (Kim 2014, section 3.2)."""


class Embedding(nn.Module):
    """A vector for each token, as channels of a signal; the vector of padding is 0 and gets no gradient.

    Args:
        embedding_dim: length of the vectors.
        num_embeddings: size of the vocabulary.
    """

    def __init__(self, embedding_dim: int, num_embeddings: int) -> None:
        super().__init__()
        self.embedding_dim, self.num_embeddings = embedding_dim, num_embeddings
        self.weight = nn.Parameter(torch.empty(num_embeddings, embedding_dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the vectors from a uniform distribution; that of padding is 0."""
        with torch.no_grad():
            self.weight.uniform_(-SPREAD, SPREAD)
            self.weight[PADDING].zero_()

    def forward(self, tokens: Int64[Tensor, "b t"]) -> Float[Tensor, "b d t"]:
        """Look up the vectors.

        Args:
            tokens: indices into the vocabulary, `[b t]`.

        Returns:
            A signal `[b d t]`, channels first.
        """
        return functional.embedding(tokens, self.weight, padding_idx=PADDING).transpose(1, 2)

    def extra_repr(self) -> str:
        """Return the sizes, for `print`."""
        return f"{self.embedding_dim}, num_embeddings={self.num_embeddings}"


class MaxOverTime(nn.Module):
    """Maximum over the positions whose window holds a token.

    Args:
        kernel_size: tokens under one position.
        stride: tokens from one position to the next.
        padding: positions by which the first window begins before the first token.
    """

    def __init__(self, kernel_size: int, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, maps: Float[Tensor, "b c l"], tokens: Int64[Tensor, "b t"]) -> Float[Tensor, "b c"]:
        """Take the maximum of each channel.

        Args:
            maps: `[b c l]`.
            tokens: what they were made of, `[b t]`; 0 is padding.

        Returns:
            Maxima `[b c]`; 0 where there is no token at all.
        """
        there = functional.pad(tokens != PADDING, (self.padding, self.padding))
        windows = there.unfold(1, self.kernel_size, self.stride).any(2)[:, None]
        lowest = torch.finfo(maps.dtype).min
        highest = maps.masked_fill(~windows, lowest).amax(2)
        return highest.masked_fill(~windows.any(2), 0.0)

    def extra_repr(self) -> str:
        """Return the window, for `print`."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
