"""Networks of tokens as functions of the vectors that their embeddings return, which have gradients."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from convscope.errors import UsageError
from convscope.graph.spec import PADDING, TensorSpec
from convscope.nets.modules.worlds.embedding import Embedding
from convscope.nets.network import Net, takes_network


class FromVectors(nn.Module):
    """Run a module of tokens with given vectors in the place of what its embeddings return.

    Its submodules are those of the module, under the same names.

    Args:
        module: takes tokens `[b t]`.
        before: positions of padding before what is given.
        after: positions of padding behind it.
    """

    def __init__(self, module: nn.Module, before: int = 0, after: int = 0) -> None:
        super().__init__()
        self.ends = (before, after)
        self._modules.update(module._modules)
        self._parameters.update(module._parameters)
        self._inner = (module,)  # in a tuple, so that it is no submodule
        self.training = module.training

    @property
    def embeddings(self) -> list[Embedding]:
        """The embeddings, in the order in which they are registered."""
        return [part for part in self.modules() if isinstance(part, Embedding)]

    def forward(self, vectors: Float[Tensor, "b d t"], tokens: Int64[Tensor, "b t"]) -> Tensor:
        """Run the module.

        Args:
            vectors: of all embeddings, one after the other along the channels, `[b d t]`, without the padding
                at the ends, whose vectors are 0.
            tokens: `[b t]`, from which masks of padding follow.

        Returns:
            What the module returns.
        """
        with self._given(functional.pad(vectors, self.ends)):
            return self._inner[0](functional.pad(tokens, self.ends))

    @contextmanager
    def _given(self, vectors: Tensor) -> Iterator[None]:
        """Let the embeddings return parts of the vectors."""
        parts = self.embeddings
        shares = vectors.split([part.embedding_dim for part in parts], 1)
        handles = [
            part.register_forward_hook(lambda _module, _inputs, _output, share=share: share)
            for part, share in zip(parts, shares, strict=True)
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def vectors(self, tokens: Int64[Tensor, "b t"]) -> Float[Tensor, "b d t"]:
        """Look up the vectors of tokens.

        Args:
            tokens: `[b t]`.

        Returns:
            Those of all embeddings along the channels, `[b d t]`, contiguous.
        """
        with torch.no_grad():
            return torch.cat([part(tokens) for part in self.embeddings], 1).contiguous()


@takes_network
def from_vectors(
    net: Net, tokens: Int64[Tensor, "b t"]
) -> tuple[Net, Float[Tensor, "b d n"], Int64[Tensor, "b n"]]:
    """Return a network of tokens as one of vectors and tokens.

    Padding at both ends is left to the network: nothing can be attributed to it.

    Args:
        net: a network of one input of indices that begins with embeddings; left as it is.
        tokens: its input.

    Returns:
        A network that shares its layers, of two inputs: the vectors, a signal `(d, n)` whose mean of 0 is the
        vector of padding and of the unknown token, and the tokens; and the vectors and tokens of these
        inputs.

    Raises:
        UsageError: it has no embedding of this package.
    """
    held = (tokens != PADDING).any(0).nonzero().flatten()
    first, last = (int(held[0]), int(held[-1]) + 1) if len(held) else (0, tokens.shape[1])
    module = FromVectors(net.module, first, tokens.shape[1] - last)
    if not module.embeddings:
        raise UsageError(
            "a network of tokens that begins with an embedding, whose vectors have gradients",
            received=f"{net.name}, which has none of this package",
            hint="convscope nets lists those of texts.",
        )
    size = sum(part.embedding_dim for part in module.embeddings)
    limit = max(float(part.weight.detach().abs().max()) for part in module.embeddings) or 1.0
    spec = TensorSpec((size, last - first), "signal", "c t", value_range=(-limit, limit), name="vectors")
    words = replace(net.input_spec, shape=(last - first,))
    made = replace(net, module=module, input_specs=(spec, words), graph=None, config=None)
    inside = tokens[:, first:last].contiguous()
    return made, module.vectors(inside), inside
