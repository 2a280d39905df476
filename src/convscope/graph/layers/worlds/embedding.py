"""Layers that read tokens: embedding, and max pooling over time that leaves padding out."""

from dataclasses import dataclass

from typing_extensions import override

from convscope.errors import GraphError
from convscope.graph.layer import EVERYTHING, SAME, Layer, Window
from convscope.graph.options import whole, wrong
from convscope.graph.spec import Shape
from convscope.graph.window_geometry import times


@dataclass(frozen=True)
class Embedding(Layer):
    """Embedding: a vector for each token, as channels of a signal along the tokens.

    Index 0 is padding: its vector is 0 and stays so.

    Attributes:
        embedding_dim: length of the vectors.
        num_embeddings: size of the vocabulary, padding included.
    """

    embedding_dim: int
    num_embeddings: int = 2
    kind = "embedding"
    implementation = "convscope.nets.modules.worlds.embedding.Embedding"
    numbered = False
    positional = ("embedding_dim", "num_embeddings")
    index_inputs = (0,)

    def __post_init__(self) -> None:
        whole(self, "embedding_dim")
        whole(self, "num_embeddings", least=2)

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return `(embedding_dim, time)`."""
        return (self.embedding_dim, tokens(self, shapes[0]))

    @override
    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """Return `weight` (num_embeddings, embedding_dim)."""
        return {"weight": (self.num_embeddings, self.embedding_dim)}

    @override
    def filter_weights(self, *shapes: Shape) -> int:
        """Return the length of a vector."""
        return self.embedding_dim

    @override
    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Return the same position."""
        return ((SAME,),)

    @override
    def output_axes(self, *shapes: Shape) -> tuple[tuple[int | None, ...], ...]:
        """Return that the axis of tokens goes on as the axis of the vectors."""
        return ((0,),)


@dataclass(frozen=True)
class MaxOverTime(Layer):
    """Global max pooling over the windows that hold a token: padding is never the maximum.

    It reads maps, and the tokens that these were made of. A position of the maps counts where at least one
    token in its window is not padding.

    Attributes:
        kernel_size: tokens under one position of the maps; if None, as many as a convolution without padding
            and with stride 1 has that made maps of this length.
        stride: tokens from one position to the next.
        padding: positions by which the first window begins before the first token.

    Source: Collobert et al. 2011, Natural Language Processing (Almost) from Scratch, arXiv:1103.0398, section
        3.3.2; that padding does not count is this package's.
    """

    kernel_size: int | None = None
    stride: int = 1
    padding: int = 0
    kind = "maxovertime"
    implementation = "convscope.nets.modules.worlds.embedding.MaxOverTime"
    family = "pool"
    positional = ("kernel_size", "stride")
    inputs = (2, 2)
    index_inputs = (1,)

    def __post_init__(self) -> None:
        if self.kernel_size is not None:
            whole(self, "kernel_size")
        whole(self, "stride")
        whole(self, "padding", least=0)
        if self.kernel_size is None and (self.stride, self.padding) != (1, 0):
            raise wrong(self, "kernel_size", "given where stride or padding is")

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return one value for each channel, as a vector."""
        maps, length = shapes[0], tokens(self, shapes[1])
        kernel = self.kernel_size or (length - maps[-1] + 1)
        wanted = (length + 2 * self.padding - kernel) // self.stride + 1
        if len(maps) != 2 or kernel < 1 or wanted != maps[1]:
            raise GraphError(
                f"maps of channels by time, and the tokens that they were made of, for {self.kind} to read",
                received=f"{times(maps)}, and {length} tokens, in windows of {kernel}",
                hint="Give kernel_size, stride and padding of a map's window in tokens.",
            )
        return maps[:1]

    @override
    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Return the whole of both inputs."""
        return ((EVERYTHING,), (EVERYTHING,))

    @override
    def output_axes(self, *shapes: Shape) -> tuple[tuple[int | None, ...], ...]:
        """Return that both axes end."""
        return ((None,), (None,))

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return the window in tokens."""
        kernel = self.kernel_size or shapes[1][0] - shapes[0][1] + 1
        return {"kernel_size": kernel, "stride": self.stride, "padding": self.padding}


def tokens(layer: Layer, shape: Shape) -> int:
    """Return the number of tokens of an input, and check that it has no other axis.

    Args:
        layer: the layer that reads it, for the error.
        shape: shape of the input, without batch axis.

    Returns:
        The number of tokens.

    Raises:
        GraphError: it has more axes.
    """
    if len(shape) != 1:
        raise GraphError(
            f"tokens, which have one axis, for {layer.kind} to read",
            received=times(shape),
            hint="Give it the network's input of indices.",
        )
    return shape[0]
