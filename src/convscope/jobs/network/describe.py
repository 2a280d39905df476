"""Show a network's layers: shapes, parameters, operations, receptive fields.

NET is a name from `convscope nets`, `torchvision/NAME`, `timm/NAME`, or the folder of a run.

    convscope describe lecture
    convscope describe torchvision/resnet50 --input 3x320x320
    convscope describe torchvision/resnet50 --out net.html      # the graph: modules fold and unfold
    convscope describe torchvision/resnet50 --out net.svg --depth 1
"""

import shlex
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from convscope.errors import UsageError
from convscope.jobs.job import Steps, finished
from convscope.jobs.output import results
from convscope.jobs.output.workspace import Workspace
from convscope.recipe import Recipe
from convscope.recipe.fields import NetworkName

if TYPE_CHECKING:
    from convscope.nets import Description, Net

DRAWN = (".html", ".svg")
"""Endings of `--out` for which the graph is drawn."""
WRITTEN = (*DRAWN, ".json")
"""All endings of `--out`; without an ending it names a folder."""

MOST_VALUES = 2**26
"""Most values of one input, about 4,700 pixels square in colour: networks without a graph are run on it."""


class DescribeRecipe(Recipe):
    """Which network to describe, for which input."""

    verb: ClassVar[str] = "describe"
    positional: ClassVar[tuple[str, ...]] = ("net",)

    net: NetworkName = Field(
        min_length=1, description="the network: a name, torchvision/NAME, timm/NAME, or a folder"
    )
    input: str | None = Field(
        None,
        pattern=r"^[1-9][0-9]{0,5}(x[1-9][0-9]{0,5}){0,2}$",
        description="another input than the network's own, like 3x224x224",
    )
    depth: int | None = Field(
        None,
        ge=0,
        le=100,
        description="how deep modules are unfolded in net.html and net.svg, 0 for none; "
        "by default as deep as can be read at first sight",
    )

    @field_validator("input")
    @classmethod
    def _bounded(cls, text: str | None) -> str | None:
        values = prod(map(int, text.split("x"))) if text else 1
        if values > MOST_VALUES:
            raise ValueError(f"an input of at most {MOST_VALUES:,} numbers, not {values:,}")
        return text


schema = DescribeRecipe


def run(recipe: DescribeRecipe, workspace: Workspace) -> Steps:
    """Describe a network's layers: shapes, parameters, operations and receptive fields.

    Downloads nothing. With `--out` ending in `.html` or `.svg`, writes the graph of the network to that file;
    in `.json`, the document; without an ending, a folder with `net.html`, `net.svg` and `net.json`.

    Args:
        recipe: network, input shape and unfolded depth of the graph.
        workspace: its `out` decides whether the graph is drawn.

    Yields:
        The document, with the fields of `Description.to_json()` and, where the graph was written, `out` (the
        file or the folder).

    Raises:
        UsageError: the file exists already, its ending is none of these, `--depth` is given without a graph
            to draw, or the network is unknown (exit code 2).
    """
    from convscope import nets

    out = workspace.out
    ending = out.suffix.lower() if out is not None else ""
    if ending and ending not in WRITTEN and not (out and out.is_dir()):
        raise UsageError(
            f"--out ending in {', '.join(WRITTEN[:-1])} or {WRITTEN[-1]}, or a folder",
            received=str(out),
            hint="The graph is drawn in .html and .svg, the table is saved in .json; a folder has all three.",
        )
    drawn = out if ending != ".json" else None
    if drawn is not None:
        results.free(drawn)
    elif recipe.depth is not None:
        raise UsageError(
            "--depth with --out net.html or --out net.svg",
            received=str(out or "no --out"),
            hint="Add --out net.html, or leave --depth out.",
        )
    net = nets.load(recipe.net)
    net = _resized(net, recipe.input) if recipe.input else net
    description = nets.describe(net)
    document: dict[str, Any] = description.to_json()
    if drawn is not None:
        if ending in DRAWN and not drawn.is_dir():
            results.write_file(drawn, _drawing(net, description, recipe, drawn, ending))
        else:
            _fill(net, description, recipe, workspace)
        document["out"] = str(drawn)
    yield finished(document)


def _fill(net: "Net", description: "Description", recipe: DescribeRecipe, workspace: Workspace) -> None:
    """Write the graph as a page and as a drawing, and the document, into the folder of the result."""
    with workspace.folder(f"describe-{net.name}") as folder:
        drawn = {ending: _drawing(net, description, recipe, folder.out, ending) for ending in DRAWN}
        folder.save_page(drawn[".html"], "net.html", "the graph")
        folder.save_file(drawn[".svg"].encode(), "net.svg", "the graph, drawn")
        table = {"verb": recipe.verb, "recipe": recipe.model_dump(mode="json"), **description.to_json()}
        folder.save_file(f"{results.as_json(table)}\n".encode(), "net.json", "the layers")


def _drawing(net: "Net", description: "Description", recipe: DescribeRecipe, out: Path, ending: str) -> str:
    """Return the graph as SVG if `ending` is `.svg`, else as a page with the command that makes `out`."""
    from convscope.recipe import stamp
    from convscope.show import graphs

    classes = {name: type(module).__name__ for name, module in net.module.named_modules()}
    tree = graphs.tree(description)
    cards = graphs.cards(tree, classes)
    unfolded = tree.readable() if recipe.depth is None else tree.at_depth(recipe.depth)
    if ending == ".svg":
        return graphs.svg(tree, cards, unfolded, stamp(recipe))
    command = f"{recipe.command()} --out {shlex.quote(out.name)}"
    return graphs.page(description, tree, cards, unfolded, command=command, recipe=stamp(recipe))


def _resized(net: "Net", text: str) -> "Net":
    """Return the network with another input shape; rebuilt, with fresh weights, if it has a graph."""
    from convscope import graph, nets

    shape, spec = tuple(map(int, text.split("x"))), net.input_spec
    defaults = {} if len(shape) == len(spec.shape) else {"kind": "", "axes": ""}
    spec = replace(spec, shape=shape, **defaults)
    if net.graph is None:
        return replace(net, input_specs=(spec, *net.input_specs[1:]))
    first, *others = net.graph.inputs
    inputs = {first: spec.shape, **{name: net.graph.inputs[name] for name in others}}
    module = nets.build(graph.Graph(inputs, net.graph.nodes, net.graph.outputs))
    return nets.wrap(module, (spec, *net.input_specs[1:]), net.classes, name=net.name)
