"""The recipe of trainings on Go records; needs no torch."""

from pydantic import Field

from convscope.learn.recipe import TaskRecipe
from convscope.recipe.fields import DataName, NetworkName


class GoRecipe(TaskRecipe):
    """Hold the settings of the training of a network that predicts moves of Go."""

    network: NetworkName = Field(
        default="go-residual-9x9",
        min_length=1,
        description="what learns: a name, a folder, or a chain of layers that ends in a logit for each point",
    )
    data: DataName = Field(
        default="go-9x9",
        min_length=1,
        description="game records: go-9x9, a table (.tsv, .tsv.xz), an SGF file, or a folder or zip of them",
    )
    task: str = Field(default="go", min_length=1, description="what the training optimises")
    value_weight: float = Field(
        default=0.25,
        ge=0,
        le=100,
        description="weight of the squared error of who wins, where the network has an output `value`",
    )
    symmetries: bool = Field(
        default=True, description="turn and mirror each position at random, with its move"
    )
    planes: tuple[str, ...] = Field(
        default=(), description="planes by name, for a chain of layers; twenty for small networks if left out"
    )
    test_games: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="share of the games that is tested on; no position is on both sides",
    )
    test_samples: int = Field(
        default=10_000, ge=2, description="positions of those games, drawn at random, that are tested on"
    )
