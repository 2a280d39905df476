"""Recipes of the verbs that play Go. This module does not import torch."""

from typing import ClassVar, Literal

from pydantic import Field

from convscope.recipe import OnNetwork
from convscope.recipe.fields import NetworkName

UNIFORM = "uniform"
"""The name of no network: all moves are alike."""


class PlayerRecipe(OnNetwork):
    """Base of the schemas of verbs that play: who chooses the moves, on which board."""

    net: NetworkName | None = Field(
        None,
        min_length=1,
        description="a policy network: a name, or a run's folder; uniform for none; if left out the one that "
        "ships for the size, if any",
    )
    size: int = Field(9, ge=2, le=25, description="side of the board")
    komi: float = Field(7.5, ge=-400, le=400, description="points that white gets")
    superko: bool = Field(False, description="forbid moves after which the whole board is as it was before")
    visits: int = Field(
        200, ge=0, le=100_000, description="positions that are searched for a move; 0 asks the policy alone"
    )
    seconds: float | None = Field(
        None, gt=0, le=86_400, description="most seconds for a move, where no clock runs"
    )
    playouts: int | None = Field(
        None,
        ge=0,
        le=10_000,
        description="random games that give the value of a position, 0 for none; if left out 16 where the "
        "network has no value",
    )
    symmetries: Literal["1", "8"] = Field(
        "1", description="ask the network about the board alone, or turned and mirrored, for the mean of all"
    )
    exploration: float = Field(1.5, ge=0, le=100, description="c_puct: weight of the policy in the search")
    temperature: float = Field(
        0.0, ge=0, le=100, description="0 plays the best move; above, moves are drawn at random"
    )
    resign: float = Field(
        0.0, ge=0, lt=1, description="give up below this probability of winning; 0 for never"
    )


class GtpRecipe(PlayerRecipe):
    """Hold the settings of `convscope gtp`."""

    verb: ClassVar[str] = "gtp"


class PlayRecipe(PlayerRecipe):
    """Hold the settings of `convscope play`."""

    verb: ClassVar[str] = "play"
    positional: ClassVar[tuple[str, ...]] = ("net",)

    colour: Literal["black", "white", "both"] = Field(
        "black", description="your stones; both for two people, or to look around"
    )
    handicap: int = Field(0, ge=0, le=9, description="black stones on the star points before white begins")
    hints: bool = Field(False, description="show the policy's probabilities from the beginning")
    game: str | None = Field(None, min_length=1, description="an SGF file to go on from")
