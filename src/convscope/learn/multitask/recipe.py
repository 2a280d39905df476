"""Recipe of a training with several inputs and outputs; needs no torch."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from typing_extensions import override

from convscope.learn.recipe import PUBLISHED, TaskRecipe
from convscope.recipe import Conflict
from convscope.recipe.fields import DataName, NetworkName

Loss = Literal["cross_entropy", "bce", "mse", "l1", "smooth_l1"]
"""Losses by PyTorch's names; `bce` is that of logits."""
NAME = r"^[A-Za-z0-9_.\-]{1,60}$"
BRANCHES = "branches"
"""Name of the network that `[[branches]]` describe."""


class _Part(BaseModel):
    """Base class of the tables of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("column", "target", "inputs", "mean", "std", mode="before", check_fields=False)
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        return value if isinstance(value, list | tuple) else (value,)


class InputColumns(_Part):
    """Hold where an input of the network comes from: a table `[[inputs]]` of the recipe."""

    name: str = Field(pattern=NAME, description="input of the network")
    column: tuple[str, ...] = Field(
        default=(),
        description="column of files or numbers, or several columns of numbers; by default that of its name",
    )
    kind: str = Field(default="", description="the world of the input: image, digit, signal, vector, ...")
    shape: str = Field(default="", description="of one input, such as 1x28x28")
    value_range: tuple[float, float] | None = Field(default=None, description="lowest and highest value")
    mean: tuple[float, ...] = Field(default=(), description="subtracted from each channel")
    std: tuple[float, ...] = Field(default=(), description="divides each channel")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return self.column or (self.name,)


class OutputLoss(_Part):
    """Hold what an output of the network learns: a table `[[outputs]]` of the recipe."""

    name: str = Field(pattern=NAME, description="output of the network")
    target: tuple[str, ...] = Field(
        default=(),
        description="column of its targets, or several columns of numbers; by default that of its name",
    )
    loss: Loss = Field(default="cross_entropy", description="loss of this output")
    weight: float = Field(default=1.0, ge=0, le=1e6, description="of this loss in the sum of all")
    classes: tuple[str, ...] = Field(
        default=(), description="names of the classes; by default those of the training data"
    )
    kind: str = Field(
        default="", description="the world of the targets, where their column names files: image, ..."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.loss == "cross_entropy" and (len(self.target) > 1 or self.kind):
            given = ", ".join(self.target) + (f" of kind {self.kind}" if self.kind else "")
            raise Conflict("for cross_entropy one column of classes, and no kind", received=f"target {given}")
        if self.loss != "cross_entropy" and self.classes:
            raise Conflict("classes with the loss cross_entropy", received=f"classes with {self.loss}")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the targets."""
        return self.target or (self.name,)


class BranchLayers(_Part):
    """Hold a chain of layers of the network: a table `[[branches]]` of the recipe."""

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,59}$", description="of the branch")
    inputs: tuple[str, ...] = Field(min_length=1, description="inputs, or branches above, that it reads")
    layers: str = Field(min_length=1, description="its layers, as a chain")
    merge: Literal["concat", "add", "multiply"] = Field(
        default="concat", description="how several inputs are joined"
    )


class MultitaskRecipe(TaskRecipe):
    """Hold the settings of a training with several inputs and outputs (multi-task learning).

    The tables `[[inputs]]`, `[[outputs]]` and `[[branches]]` stand in a TOML file for `--config`.
    """

    positional: ClassVar[tuple[str, ...]] = ("network", "data")

    task: str = Field(default="multitask", min_length=1, description="what the training optimises")
    network: NetworkName = Field(
        default=BRANCHES,
        min_length=1,
        description="what learns: a name or a folder; by default what [[branches]] describe",
    )
    data: DataName = Field(
        default="digits",
        min_length=1,
        description="a table (.csv, .tsv) with one row for each sample, a set by name, or a folder of "
        "pictures",
    )
    test: str = Field(
        default="", description="a table to test on; by default a part of the data is held out for that"
    )
    inputs: tuple[InputColumns, ...] = Field(default=(), description="the network's inputs")
    outputs: tuple[OutputLoss, ...] = Field(default=(), description="the network's outputs")
    branches: tuple[BranchLayers, ...] = Field(default=(), description="the network, as chains of layers")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.resume is not None:
            return self
        if not self.outputs:
            raise Conflict(
                "a table [[outputs]] for each output, in a TOML file for --config",
                received="no [[outputs]]",
                hint='Write into the file: [[outputs]], and below it name = "NAME"; '
                "convscope recipes two-outputs shows a whole one.",
            )
        _refuse_twice("inputs", [part.name for part in self.inputs])
        _refuse_twice("outputs", [part.name for part in self.outputs])
        if not any(part.weight for part in self.outputs):
            raise Conflict(
                "an output of a weight above 0, from which is learned", received="only outputs of weight 0"
            )
        if bool(self.branches) != (self.network == BRANCHES):
            raise Conflict(
                "one network: [[branches]], or the name of another",
                received=f"[[branches]] and network {self.network}" if self.branches else "neither",
            )
        if self.branches and not self.inputs:
            raise Conflict("[[inputs]] that the [[branches]] read", received="no [[inputs]]")
        return self

    @override
    def unused(self) -> dict[str, str]:
        """Return the settings that this recipe never reads, each with the reason."""
        found = super().unused() | {"size": "[[inputs]] have a shape"}
        if self.data in PUBLISHED:
            found |= {"test": f"{self.data} has a part to test on"}
        return found


def _refuse_twice(what: str, names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise Conflict(f"{what} of different names", received=f"two {what} with the name {twice[0]}")
