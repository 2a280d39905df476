"""The formula of a layer, as text and in LaTeX: what one unit computes at one position."""

from math import prod
from typing import Any

from convscope.graph import ACTIVATIONS, NORMALISATIONS, Graph, elementwise_readers


def formula(graph: Graph, name: str) -> dict[str, Any]:
    """Return the formula of a layer, with its activation function where that alone reads it.

    Args:
        graph: the graph of the network.
        name: the layer.

    Returns:
        `text`, `latex` (None where there is none), `term_count` (products or values of one unit) and
        `activation` (None without one).
    """
    node = next(node for node in graph.nodes if node.name == name)
    layer, shapes = node.layer, graph.input_shapes(name)
    readers = [one.layer.kind for one in elementwise_readers(graph, name)]
    activation = readers[-1] if readers and readers[-1] in ACTIVATIONS else None
    options = {} if layer.kind == "foreign" else layer.options()
    text, latex, term_count = _of_kind(layer.kind, options)
    term_count = term_count or layer.filter_weights(*shapes)
    if activation is not None:
        text = f"{activation}({text})"
        latex = latex and rf"\operatorname{{{activation}}}\Bigl({latex}\Bigr)"
    return {"text": text, "latex": latex, "term_count": term_count, "activation": activation}


def _of_kind(kind: str, options: dict[str, Any]) -> tuple[str, str | None, int]:
    """Return text, LaTeX, and the number of values that are read where these have no weights."""
    bias = "b + " if options.get("bias") else ""
    if kind in ("conv1d", "conv2d"):
        text, latex = _convolution(options, kind == "conv2d")
        return bias + text, bias + latex, 0
    if kind == "dense":
        return f"{bias}Σ_i w[i] · v[i]", rf"{bias}\sum_i w_i v_i", 0
    if kind.startswith(("maxpool", "avgpool")):
        taps, word = options["kernel_size"], "max" if kind.startswith("max") else "mean"
        size, tex = "×".join(map(str, taps)), r" \times ".join(map(str, taps))
        return f"{word} of {size} v", rf"\operatorname{{{word}}}_{{{tex}}} v", prod(taps)
    if kind in NORMALISATIONS:
        return "w · v + b", r"w\, v + b", 1
    if kind in ACTIVATIONS:
        return f"{kind}(v)", rf"\operatorname{{{kind}}}(v)", 1
    return f"{kind}(v)", None, 0


def _convolution(options: dict[str, Any], plane: bool) -> tuple[str, str]:
    """Return the sum over a window; `y` and `x` are the position of the unit."""
    strides, pads, gaps = (
        _each(options[key], 2 if plane else 1) for key in ("stride", "padding", "dilation")
    )
    letters = (("y", "i"), ("x", "j")) if plane else (("t", "i"),)
    indices = [
        _index(*names, stride, pad, gap)
        for names, stride, pad, gap in zip(letters, strides, pads, gaps, strict=True)
    ]
    sums, inside = (" Σ_j" if plane else ""), ", ".join(indices)
    taps = ",".join(tap for _, tap in letters)
    text = f"Σ_c Σ_i{sums} w[c,{taps}] · v[c, {inside}]"
    latex = rf"\sum_{{c,{taps}}} w_{{c,{taps}}}\, v_{{c,\,{inside}}}"
    return text, latex.replace("·", r"\cdot ")


def _index(place: str, tap: str, stride: int, pad: Any, gap: int) -> str:
    """Return the index of a tap: `2·y + i − 1`."""
    text = (f"{stride}·" if stride != 1 else "") + place + " + " + (f"{gap}·" if gap != 1 else "") + tap
    return text + (f" − {pad}" if isinstance(pad, int) and pad else "")


def _each(value: Any, axes: int) -> list[Any]:
    """Return an option for each axis; where padding differs from side to side, the side before."""
    values = list(value) if isinstance(value, tuple | list) else [value] * axes
    if len(values) == 2 * axes and axes:
        return values[::2]
    return values if len(values) == axes else values[:1] * axes
