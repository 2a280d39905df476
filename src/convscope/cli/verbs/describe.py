"""Show a network's layers: shapes, parameters, operations, receptive fields.

NET is a name from `convscope nets`, `torchvision/NAME`, `timm/NAME`, or the folder of a run.

    convscope describe lecture
    convscope describe torchvision/resnet50 --input 3x320x320
"""

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from convscope.cli.shell import Answer, Shell
from convscope.recipe import Recipe

if TYPE_CHECKING:
    from convscope.nets import Net


MOST_VALUES = 2**26
"""Numbers of one input, 4,700 pixels square in colour: what is no graph is described by running it."""


class Describe(Recipe):
    """Which network to describe, for which input."""

    verb: ClassVar[str] = "describe"
    positional: ClassVar[tuple[str, ...]] = ("net",)

    net: str = Field(
        min_length=1, description="the network: a name, torchvision/NAME, timm/NAME, or a folder"
    )
    input: str | None = Field(
        None,
        pattern=r"^[1-9][0-9]{0,5}(x[1-9][0-9]{0,5}){0,2}$",
        description="another input than the network's own, like 3x224x224",
    )

    @field_validator("input")
    @classmethod
    def _bounded(cls, text: str | None) -> str | None:
        values = prod(map(int, text.split("x"))) if text else 1
        if values > MOST_VALUES:
            raise ValueError(f"an input of at most {MOST_VALUES:,} numbers, not {values:,}")
        return text


schema = Describe


def run(recipe: Describe, shell: Shell) -> Answer:
    """Load the network without downloading anything, and describe it."""
    from convscope import nets

    net = nets.load(recipe.net)
    description = (_resized(net, recipe.input) if recipe.input else net).describe()
    data: dict[str, Any] = description.to_json()
    return Answer(data, description.rich)


def _resized(net: "Net", text: str) -> "Net":
    """The network for another input; one that was built from a graph is built again."""
    from convscope import graph, nets

    channels, *size = map(int, text.split("x"))
    height, width = [None, None, *size][-2:]
    contract = replace(net.contract, channels=channels, height=height, width=width)
    if net.graph is None:
        return replace(net, contracts=(contract, *net.contracts[1:]))
    first, *others = net.graph.inputs
    inputs = {first: contract.shape, **{name: net.graph.inputs[name] for name in others}}
    module = nets.build(graph.Graph(inputs, net.graph.nodes, net.graph.outputs))
    return nets.wrap(module, (contract, *net.contracts[1:]), net.labels, name=net.name)
