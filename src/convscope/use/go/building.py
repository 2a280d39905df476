"""Players of the verbs: from a recipe and a network, one for each size of board."""

from collections.abc import Callable
from functools import cache

from convscope.errors import UsageError
from convscope.nets import Net
from convscope.use.go.evaluators import Evaluator, PlayoutValue, UniformPolicy
from convscope.use.go.network import NetworkPolicy
from convscope.use.go.players import Player, PolicyPlayer, SearchPlayer
from convscope.use.go.recipe import UNIFORM, PlayerRecipe
from convscope.use.go.search import SearchConfig, TreeSearch

SHIPPED_NETWORKS = {9: "go-9x9", 19: "go-19x19"}
"""The network that is used on boards of a size, where none is named."""
PLAYOUTS = 16
"""Random games that give a position's value, where nothing else does."""


def player_maker(recipe: PlayerRecipe, load: Callable[[str], Net]) -> Callable[[int], Player]:
    """Return what builds the player of a recipe for each size of board, once.

    Args:
        recipe: network, visits and what else decides moves.
        load: loads a network by its name.

    Returns:
        A function of the size, which raises `UsageError` where the recipe's network takes boards of another.
    """

    @cache
    def make(size: int) -> Player:
        return build_player(recipe, size, load)

    return make


def build_player(recipe: PlayerRecipe, size: int, load: Callable[[str], Net]) -> Player:
    """Build the player of a recipe.

    Args:
        recipe: network, visits and what else decides moves.
        size: side of the board.
        load: loads a network by its name.

    Returns:
        One that searches, or with 0 visits asks the policy alone.

    Raises:
        UsageError: the network takes boards of another size, or is for something else.
    """
    name = recipe.net or SHIPPED_NETWORKS.get(size, UNIFORM)
    policy, knows = _policy(recipe, name, size, load)
    games = (0 if knows else PLAYOUTS) if recipe.playouts is None else recipe.playouts
    evaluator = PlayoutValue(policy, games, recipe.seed) if games and recipe.visits else policy
    search = TreeSearch(evaluator, SearchConfig(recipe.visits, exploration=recipe.exploration))
    if not recipe.visits:
        return PolicyPlayer(evaluator, recipe.temperature, recipe.seed, name, search=search)
    return SearchPlayer(
        search,
        temperature=recipe.temperature,
        resign=recipe.resign,
        seconds=recipe.seconds,
        seed=recipe.seed,
        name=name,
    )


def _policy(recipe: PlayerRecipe, name: str, size: int, load: Callable[[str], Net]) -> tuple[Evaluator, bool]:
    """Return the policy of a name, and whether it has a value."""
    if name == UNIFORM:
        return UniformPolicy(), False
    network = NetworkPolicy(load(name), int(recipe.symmetries))
    if network.size != size:
        wanted = f"{network.size}x{network.size}"
        raise UsageError(
            f"a board of {wanted} for {name}",
            received=f"{size}x{size}",
            hint=f"Use --size {network.size}, or --net {UNIFORM}.",
        )
    return network, network.has_value
