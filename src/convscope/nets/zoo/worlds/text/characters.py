"""Small CNNs of characters and of bytes: nothing has to be fetched, and every script can be read.

Embedded characters or bytes, a convolution, pooling by 3, a second convolution, and the maximum over time.

Source: after Zhang, Zhao and LeCun 2015, Character-level Convolutional Networks for Text Classification,
arXiv:1509.01626, much smaller: two convolutions in place of six, an embedding in place of one-hot vectors.
"""

from dataclasses import replace

from convscope.graph.chain import chain
from convscope.graph.graph import Graph, Node
from convscope.graph.layers.dense import Dense
from convscope.graph.layers.norm import Dropout
from convscope.graph.layers.worlds.embedding import MaxOverTime
from convscope.graph.spec import TEXT, TensorSpec, TextTransform
from convscope.nets.zoo.entry import ZooEntry

POOL, SECOND = 3, 3
"""Length of the pooling windows, and of the second convolution's kernels."""


def small_cnn(length: int, vocabulary: int, width: int) -> Graph:
    """Build the graph.

    Args:
        length: number of tokens.
        vocabulary: its size.
        width: length of the first convolution's kernels.

    Returns:
        Embedding, two convolutions, the maximum over time, dropout and the output.
    """
    layers = (
        f"embedding = embedding 32 {vocabulary}, conv1 = conv 96 {width}, relu1 = relu, "
        f"pool1 = maxpool {POOL}, conv2 = conv 96 {SECOND}, relu2 = relu"
    )
    part = chain((length,), layers)
    (source,) = part.inputs
    nodes = (
        *part.nodes,
        Node("pool2", MaxOverTime(window(width), POOL), ("relu2", source)),
        Node("dropout", Dropout(0.5), ("pool2",)),
        Node("dense", Dense(2), ("dropout",)),
    )
    return Graph(dict(part.inputs), nodes)


def window(width: int) -> int:
    """Compute the receptive field of the second convolution.

    Args:
        width: length of the first convolution's kernels.

    Returns:
        Its size in tokens.
    """
    return width + POOL - 1 + POOL * (SECOND - 1)


def _spec(tokens: str, length: int, vocabulary: int, width: int) -> TensorSpec:
    """Return the spec of a network whose window fits into the padding around a single token."""
    return TensorSpec(
        (length,),
        TEXT,
        "t",
        "int64",
        (0.0, vocabulary - 1.0),
        name="text",
        text=TextTransform(tokens, "none", window(width) // 2),
    )


_PAPER = (
    "Zhang, Zhao and LeCun 2015, Character-level Convolutional Networks for Text Classification, "
    "arXiv:1509.01626"
)
_NOTE = "Much smaller than the paper's. It gets vocabulary and classes of what it learns: convscope train"
CHARACTER_CNN = ZooEntry(
    "char_cnn",
    lambda: small_cnn(128, 4096, 5),
    _spec("characters", 128, 4096, 5),
    ("negative", "positive"),
    "small CNN of characters, for Chinese and every other script",
    _PAPER,
    f"{_NOTE} char_cnn FILE.",
)
BYTE_CNN = ZooEntry(
    "byte_cnn",
    lambda: small_cnn(256, 258, 7),
    _spec("bytes", 256, 258, 7),
    ("negative", "positive"),
    "small CNN of the bytes of UTF-8, with a vocabulary of 256 bytes for every script",
    _PAPER,
    f"{_NOTE} byte_cnn FILE.",
)
QUESTIONS = replace(
    CHARACTER_CNN,
    name="questions",
    classes=("statement", "question"),
    summary="small CNN of characters, trained to tell questions from statements in Chinese and English",
    note="Trained on sentences of Tatoeba (CC BY 2.0 France) without the mark at their end.",
    weights="questions",
)
