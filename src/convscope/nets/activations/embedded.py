"""Networks of tokens as functions of the vectors that their embeddings return, which have gradients."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from convscope.errors import UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets.modules.embedding import Embedding
from convscope.nets.network import Net


class FromVectors(nn.Module):
    """Run a module of tokens with given vectors in the place of what its embeddings return.

    Its submodules are those of the module, under the same names.

    Args:
        module: takes tokens `[b t]`.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
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
            vectors: of all embeddings, one after the other along the channels, `[b d t]`.
            tokens: `[b t]`, from which masks of padding follow.

        Returns:
            What the module returns.
        """
        with self._given(vectors):
            return self._inner[0](tokens)

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


def from_vectors(net: Net) -> Net:
    """Return a network of tokens as one of vectors and tokens.

    Args:
        net: a network of one input of indices that begins with embeddings; left as it is.

    Returns:
        A network that shares its layers, of two inputs: the vectors, a signal `(d, t)` whose mean of 0 is the
        vector of padding and of the unknown token, and the tokens.

    Raises:
        UsageError: it has no embedding of this package.
    """
    module = FromVectors(net.module)
    if not module.embeddings:
        raise UsageError(
            "a network of tokens that begins with an embedding, whose vectors have gradients",
            received=f"{net.name}, which has none of this package",
            hint="convscope nets lists those of texts.",
        )
    size = sum(part.embedding_dim for part in module.embeddings)
    limit = max(float(part.weight.detach().abs().max()) for part in module.embeddings) or 1.0
    spec = TensorSpec(
        (size, *net.input_spec.shape), "signal", "c t", value_range=(-limit, limit), name="vectors"
    )
    return replace(net, module=module, input_specs=(spec, net.input_spec), graph=None, config=None)
