"""Kim's CNN for sentences: convolutions of 3, 4 and 5 words side by side, and their maxima over time.

The vocabulary is that of the training data: a network of this package has the size of MR's until it is
trained. 360,300 parameters of convolutions and 602 of the output for vectors of 300 numbers and two classes.

Source: Kim 2014, Convolutional Neural Networks for Sentence Classification, arXiv:1408.5882, and the
published code, github.com/yoonkim/CNN_sentence.
"""

from convscope.graph.graph import Graph, Node
from convscope.graph.layers.activation import ReLU
from convscope.graph.layers.conv import Conv1d
from convscope.graph.layers.dense import Dense
from convscope.graph.layers.merge import Add, Concat
from convscope.graph.layers.norm import Dropout
from convscope.graph.layers.worlds.embedding import Embedding, MaxOverTime
from convscope.graph.spec import TEXT, TensorSpec, TextTransform
from convscope.nets.zoo.entry import ZooEntry

WIDTHS = (3, 4, 5)
FILTERS = 100
MR = 18_765 + 2
"""Words of MR, padding and the unknown word."""
LENGTH = 56 + 2 * 4
"""Longest sentence of MR with padding on both sides."""
SPEC = TensorSpec(
    (LENGTH,), TEXT, "t", "int64", (0.0, MR - 1.0), name="sentence", text=TextTransform(lead=max(WIDTHS) - 1)
)


def kim(size: int, channels: int = 1) -> Graph:
    """Build the graph.

    Args:
        size: length of the word vectors.
        channels: 2 for two embeddings, of which one is frozen in training: every filter is applied to both,
            and the results are added, which is one filter over their sum.

    Returns:
        Embedding, three branches of convolution, ReLU and maximum over time, dropout and the output.
    """
    names = [f"embedding{k + 1}" if channels > 1 else "embedding" for k in range(channels)]
    nodes = [Node(name, Embedding(size, MR), ("tokens",)) for name in names]
    if channels > 1:
        nodes.append(Node("channels", Add(), tuple(names)))
    read = nodes[-1].name
    for width in WIDTHS:
        nodes += [
            Node(f"conv{width}", Conv1d(FILTERS, width), (read,)),
            Node(f"relu{width}", ReLU(), (f"conv{width}",)),
            Node(f"pool{width}", MaxOverTime(), (f"relu{width}", "tokens")),
        ]
    nodes += [
        Node("concat", Concat(), tuple(f"pool{width}" for width in WIDTHS)),
        Node("dropout", Dropout(0.5), ("concat",)),
        Node("dense", Dense(2), ("dropout",)),
    ]
    return Graph({"tokens": (LENGTH,)}, tuple(nodes))


_PAPER = "Kim 2014, Convolutional Neural Networks for Sentence Classification, arXiv:1408.5882"
_CLASSES = ("negative", "positive")
KIM = ZooEntry(
    "kim_cnn",
    lambda: kim(300),
    SPEC,
    _CLASSES,
    "Kim's sentence CNN: vectors of 300 numbers, 100 filters of 3, 4 and 5 words each",
    _PAPER,
    "It gets vocabulary and classes of what it learns: convscope train kim_cnn FILE.",
)
KIM_SMALL = ZooEntry(
    "kim_cnn_50",
    lambda: kim(50),
    SPEC,
    _CLASSES,
    "Kim's sentence CNN with vectors of 50 numbers",
    _PAPER,
    "It gets vocabulary and classes of what it learns: convscope train kim_cnn_50 FILE.",
)
KIM_MULTICHANNEL = ZooEntry(
    "kim_cnn_multichannel",
    lambda: kim(300, 2),
    SPEC,
    _CLASSES,
    "Kim's sentence CNN with two sets of vectors, one of them frozen by the recipe",
    _PAPER,
    "Give it --vectors and --freeze embedding1: convscope train --recipe kim-multichannel.",
)
