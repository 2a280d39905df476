"""Capsules with dynamic routing: vectors of consecutive channels whose lengths are probabilities.

Source: Sabour, Frosst and Hinton 2017, Dynamic Routing Between Capsules, arXiv:1710.09829.
"""

from math import prod

import torch
from jaxtyping import Float
from torch import Tensor, nn

TINY = 1e-12
"""Added to squared lengths before their root, so that the gradient at 0 is finite."""
SPREAD = 0.1
"""Standard deviation of the weights before training."""


def squash(capsules: Float[Tensor, "*b size"]) -> Float[Tensor, "*b size"]:
    """Shorten vectors to lengths below 1: `n^2 / (1 + n^2)` for the length `n`.

    Args:
        capsules: vectors along the last axis.

    Returns:
        Vectors of the same directions.

    Source: equation 1.
    """
    squared = capsules.square().sum(-1, keepdim=True)
    return capsules * ((squared + TINY).sqrt() / (1 + squared))


def route(
    votes: Float[Tensor, "b n k size"], iterations: int
) -> tuple[Float[Tensor, "b k size"], tuple[Float[Tensor, "b n k"], ...]]:
    """Route the votes of `n` capsules to `k` others by agreement.

    Gradients flow through all iterations: the paper excludes none of them.

    Args:
        votes: vote of each input capsule for each output capsule.
        iterations: of the routing, at least 1.

    Returns:
        The output capsules, and the coupling coefficients of each iteration: softmax over the outputs, so
        that those of an input capsule sum to 1; in the first iteration all are `1 / k`.

    Source: procedure 1, equations 2 and 3.
    """
    logits = votes.new_zeros(votes.shape[:3])
    couplings: list[Tensor] = []
    outputs = votes[:, 0]
    for iteration in range(iterations):
        if iteration:
            logits = logits + torch.einsum("bnks,bks->bnk", votes, outputs)
        couplings.append(logits.softmax(2))
        outputs = squash(torch.einsum("bnk,bnks->bks", couplings[-1], votes))
    return outputs, tuple(couplings)


class Squash(nn.Module):
    """Squash capsules of consecutive channels.

    Args:
        size: channels of a capsule.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b c ..."]:
        """Squash each capsule at each position.

        Args:
            x: activations `[b c ...]`.

        Returns:
            Activations of the same shape.
        """
        return squash(x.unflatten(1, (-1, self.size)).movedim(2, -1)).movedim(-1, 2).flatten(1, 2)

    def extra_repr(self) -> str:
        """Return the option, for `print`."""
        return f"size={self.size}"


class Capsules(nn.Module):
    """Fully connected capsules with dynamic routing; half precision is computed in float32.

    `weight[i]` holds the matrices by which input capsule `i` votes, side by side. Input capsules are counted
    by type, then by position.

    Args:
        in_capsules: number of capsules of the input, over all positions.
        out_capsules: number of capsules of the output.
        out_size: channels of each.
        in_size: channels of a capsule of the input.
        iterations: iterations of the routing.

    Source: Sabour, Frosst and Hinton 2017, procedure 1.
    """

    def __init__(
        self, in_capsules: int, out_capsules: int, out_size: int, in_size: int, iterations: int = 3
    ) -> None:
        super().__init__()
        self.out_capsules, self.out_size, self.in_size = out_capsules, out_size, in_size
        self.iterations = iterations
        self.weight = nn.Parameter(torch.empty(in_capsules, in_size, out_capsules * out_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights from a normal distribution of standard deviation `SPREAD`."""
        if self.weight.is_meta:  # even trying would import torch's compiler
            return
        nn.init.normal_(self.weight, 0, SPREAD)

    def capsules(self, x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b n size"]:
        """Return the capsules of an input.

        Args:
            x: activations `[b c ...]`.

        Returns:
            Capsules `[b n size]`, `n` by type, then by position.
        """
        places = prod(x.shape[2:])
        types = self.weight.shape[0] // places
        return x.reshape(x.shape[0], types, self.in_size, places).transpose(2, 3).flatten(1, 2)

    def votes(self, x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b n k size"]:
        """Compute the vote of each input capsule for each output capsule.

        Args:
            x: activations `[b c ...]`.

        Returns:
            Votes `[b n k size]`, `n` by type, then by position.

        Source: equation 2.
        """
        capsules = self.capsules(x)
        votes = torch.bmm(capsules.transpose(0, 1), self.weight.to(x.dtype))
        return votes.transpose(0, 1).unflatten(2, (self.out_capsules, self.out_size))

    def couplings(self, x: Float[Tensor, "b c ..."]) -> tuple[Float[Tensor, "b n k"], ...]:
        """Compute the coupling coefficients of every iteration.

        Args:
            x: activations `[b c ...]`.

        Returns:
            What `route` returns of them.
        """
        return route(self.votes(x), self.iterations)[1]

    def forward(self, x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b out"]:
        """Vote, and route the votes.

        Args:
            x: activations `[b c ...]`.

        Returns:
            Channels of all output capsules, `[b k * size]`.
        """
        with torch.autocast(x.device.type, enabled=False):
            exact = x.to(torch.promote_types(x.dtype, torch.float32))
            return route(self.votes(exact), self.iterations)[0].flatten(1).to(x.dtype)

    def extra_repr(self) -> str:
        """Return the sizes, for `print`."""
        return (
            f"{len(self.weight)} of {self.in_size}, {self.out_capsules} of {self.out_size}, "
            f"iterations={self.iterations}"
        )


class CapsuleLength(nn.Module):
    """Length of each capsule of consecutive channels.

    Args:
        size: channels of a capsule.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b k ..."]:
        """Compute the lengths.

        Args:
            x: activations `[b c ...]`.

        Returns:
            Lengths, one for each capsule at each position.
        """
        return torch.linalg.vector_norm(x.unflatten(1, (-1, self.size)), dim=2)

    def extra_repr(self) -> str:
        """Return the option, for `print`."""
        return f"size={self.size}"


class CapsuleMask(nn.Module):
    """Keep the longest capsule, and set the others to 0.

    Args:
        size: channels of a capsule.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Float[Tensor, "b c"]) -> Float[Tensor, "b c"]:
        """Mask all capsules but the longest.

        Args:
            x: capsules `[b c]`.

        Returns:
            The masked capsules `[b c]`.
        """
        return self.keep(x, x.unflatten(1, (-1, self.size)).square().sum(2).argmax(1))

    def keep(self, x: Float[Tensor, "b c"], chosen: Tensor) -> Float[Tensor, "b c"]:
        """Mask all capsules but the chosen ones.

        Args:
            x: capsules `[b c]`.
            chosen: number of the capsule that each sample keeps, `[b]`.

        Returns:
            The masked capsules `[b c]`.
        """
        capsules = x.unflatten(1, (-1, self.size))
        kept = torch.arange(capsules.shape[1], device=x.device) == chosen[:, None]
        return (capsules * kept[:, :, None]).flatten(1)

    def extra_repr(self) -> str:
        """Return the option, for `print`."""
        return f"size={self.size}"
