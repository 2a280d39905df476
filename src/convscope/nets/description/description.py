"""Describe a network layer by layer, as data and as a table for terminals and notebooks."""

import html
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from torch import Tensor

from convscope.graph.analysis.description import describe_field
from convscope.graph.analysis.receptive_field import Field, receptive_fields
from convscope.graph.graph import Graph
from convscope.graph.layers.foreign import Foreign
from convscope.graph.spec import Shape
from convscope.nets.description import table
from convscope.nets.io.graph_module import GraphModule
from convscope.nets.network import Net, takes_network
from convscope.nets.tracing.call_names import Call, Scope
from convscope.nets.tracing.tracer import observe
from convscope.recipe.result import Result

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult


@dataclass(frozen=True)
class LayerInfo:
    """One layer of a network.

    Attributes:
        name: its address, where it is a module; otherwise the module it runs in and what it does.
        kind: one of this package's kinds, or the name of the torch function where there is none.
        calls: how often the module it runs in is called in one pass.
        output_shape: shape of its output, without batch axis.
        parameters: trainable values; those counted in an earlier row are not counted again.
        macs: multiply-accumulates for one example.
        field: receptive field in the first input; None if the layer does not depend on it.
        foreign: whether it is none of this package's kinds; such a layer can be described, not built.
        uncounted: names of the kernels it runs whose multiply-accumulates are not in `macs`, because this
            package has no formula for them.
    """

    name: str
    kind: str
    calls: int
    output_shape: Shape
    parameters: int
    macs: int
    field: Field | None = field(repr=False)
    foreign: bool = False
    uncounted: tuple[str, ...] = ()

    @property
    def plumbing(self) -> bool:
        """Whether it only moves values: a foreign function without parameters and multiply-accumulates."""
        return table.only_moves(self.to_json())

    def cells(self) -> tuple[str, ...]:
        """Return the text of each of `table.COLUMNS`."""
        return table.cells(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return plain values, JSON-ready.

        The receptive field is a dict of size, stride, offset and whether it covers everything; None if
        there is none.
        """
        plain = {k: v for k, v in vars(self).items() if k != "field"}
        lists = {"output_shape": list(self.output_shape), "uncounted": list(self.uncounted)}
        return plain | lists | {"field": describe_field(self.field)}


@dataclass(frozen=True)
class Description(Result):
    """Layers of a network and their totals. Prints as a table, also in notebooks.

    Attributes:
        name: name of the network.
        inputs: name and shape of each input, without batch axis.
        layers: the layers in the order in which they run.
        parameters: all trainable values of the module, each once.
        idle: those of `parameters` in layers that do not run (auxiliary classifiers).
        graph: the layers and what each reads.
        aside: multiply-accumulates of one pass that read only weights, no input, as in spectral
            normalisation; in no layer, and not in `macs`.
        unwatched: names of the kernels outside all layers that are not counted.
        scopes: for each layer of a traced network the module calls it runs in, outermost first.
    """

    name: str
    inputs: Mapping[str, Shape]
    layers: tuple[LayerInfo, ...]
    parameters: int
    idle: int
    graph: Graph
    aside: int = 0
    unwatched: tuple[str, ...] = ()
    scopes: Mapping[str, tuple[Scope, ...]] = field(default_factory=dict, repr=False)

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates of one forward pass over one example."""
        return sum(layer.macs for layer in self.layers)

    @property
    def uncounted(self) -> tuple[str, ...]:
        """Names of the kernels whose multiply-accumulates are not in `macs`; empty where all are counted."""
        names = {name for layer in self.layers for name in layer.uncounted}
        return tuple(sorted(names.union(self.unwatched)))

    def summary(self) -> str:
        """Return one line with inputs, parameters and multiply-accumulates."""
        return table.summary(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values, JSON-ready."""
        return {
            "name": self.name,
            "inputs": {name: list(shape) for name, shape in self.inputs.items()},
            "layers": [layer.to_json() for layer in self.layers],
            "parameters": self.parameters,
            "idle_parameters": self.idle,
            "macs": self.macs,
            "macs_of_weights_alone": self.aside,
            "uncounted": list(self.uncounted),
        }

    def rich(self) -> "RenderableType":
        """Return a table for the terminal."""
        return table.description_table(self.to_json())

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        yield self.rich()

    def __str__(self) -> str:
        rows = [table.COLUMNS, *table.rows(self.to_json())]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(_aligned(row, widths)).rstrip() for row in rows)
        return "\n".join((*lines, "", self.summary()))

    def _repr_html_(self) -> str:
        return "".join(self._html())

    def _html(self) -> Iterator[str]:
        yield '<table class="convscope-layers"><thead><tr>'
        yield from (f"<th>{column}</th>" for column in table.COLUMNS)
        yield "</tr></thead><tbody>"
        for row in table.rows(self.to_json()):
            cells = (f"<td>{html.escape(cell)}</td>" for cell in row)
            yield f"<tr>{''.join(cells)}</tr>"
        yield f"</tbody><caption>{html.escape(self.summary())}</caption></table>"


@takes_network
def describe(net: Net) -> Description:
    """Describe the layers of any network, from its own graph or by tracing one pass over its example.

    Args:
        net: the network, which keeps its description.

    Returns:
        Every layer in the order in which it runs, with kind, shape, parameters, multiply-accumulates and
        receptive field, and their totals.

    Raises:
        GraphError: the network cannot run on its spec's example.
    """
    return net.cache("description", lambda: _described(net))


def _described(net: Net) -> Description:
    graph = _own_graph(net)
    if graph is not None:
        weights = {
            node.name: tuple(
                f"{node.name}.{name}" for name, _ in net.module.get_submodule(node.name).named_parameters()
            )
            for node in graph.nodes
        }
        return _description(net, graph, weights, dict.fromkeys(weights, 1))
    example = net.example()
    ready = net.normalise(*((example,) if isinstance(example, Tensor) else example))
    with net.explain_errors(ready):
        seen = observe(net.module, ready, _distinct([c.name for c in net.input_specs]))
    weights = {name: call.weights for name, call in seen.calls.items()}
    found = _description(net, seen.graph, weights, _runs(seen.calls))
    scopes = {name: call.scopes for name, call in seen.calls.items()}
    return replace(found, aside=seen.aside.macs, unwatched=seen.aside.uncounted, scopes=scopes)


def _distinct(names: list[str]) -> list[str]:
    """Make names of inputs distinct by appending a number to repeated ones."""
    made: list[str] = []
    for name in names:
        number = 2
        chosen = name
        while chosen in made or (chosen != name and chosen in names):
            chosen, number = f"{name}{number}", number + 1
        made.append(chosen)
    return made


def _own_graph(net: Net) -> Graph | None:
    """Return the graph a module was built from; None if the specs have other sizes."""
    if not isinstance(net.module, GraphModule):
        return None
    graph = net.module.graph
    return graph if tuple(graph.inputs.values()) == tuple(c.shape for c in net.input_specs) else None


def _runs(calls: Mapping[str, Call]) -> dict[str, int]:
    """Return for each layer how often its innermost module runs."""
    runs: dict[str, set[int]] = defaultdict(set)
    for call in calls.values():
        for scope in call.scopes:
            runs[scope.name].add(scope.run)
    return {name: len(runs[call.scopes[-1].name]) if call.scopes else 1 for name, call in calls.items()}


def _description(
    net: Net, graph: Graph, weights: Mapping[str, tuple[str, ...]], calls: Mapping[str, int]
) -> Description:
    sizes = {name: parameter.numel() for name, parameter in net.module.named_parameters()}
    whole = sum(sizes.values())
    fields = receptive_fields(graph)
    layers = []
    for node in graph.nodes:
        layer, shapes = node.layer, graph.input_shapes(node.name)
        foreign = isinstance(layer, Foreign)
        layers.append(
            LayerInfo(
                name=node.name,
                kind=layer.path.rpartition(".")[2] if foreign else layer.kind,
                calls=calls[node.name],
                output_shape=graph.shapes[node.name],
                parameters=sum(sizes.pop(name, 0) for name in weights[node.name]),
                macs=layer.macs(*shapes),
                field=fields.get(node.name),
                foreign=foreign,
                uncounted=layer.uncounted if isinstance(layer, Foreign) else (),
            )
        )
    return Description(net.name, dict(graph.inputs), tuple(layers), whole, sum(sizes.values()), graph)


def _aligned(row: tuple[str, ...], widths: list[int]) -> Iterator[str]:
    for index, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.ljust(width) if index < 2 else cell.rjust(width)
