"""Load what a recipe of a training on Go records names."""

import os
from dataclasses import replace

import torch

from convscope import nets
from convscope.graph.chain import chain
from convscope.graph.spec import GO, TensorSpec
from convscope.learn.batches.source import seed_of
from convscope.learn.setup import TrainingSetup, find_device, sampled
from convscope.learn.tasks.go.policy import GoPolicy
from convscope.learn.tasks.go.recipe import GoRecipe
from convscope.nets import Net
from convscope.system.counting import counted
from convscope.worlds.go import SMALL_PLANES, GoPositions, packaged, plane_names, read_games


def setup_from_recipe(recipe: GoRecipe) -> TrainingSetup:
    """Load the network and the games that a recipe names, and divide them by game.

    Args:
        recipe: recipe of the training.

    Returns:
        Network on its device, task, positions to learn from, to choose by and to test on, and notes.

    Raises:
        UsageError: nothing has that name, or the boards are of another size than the network's.
        MissingError: the device, the data or a package is not available.
        DataError: the records are damaged.
    """
    games = read_games(recipe.data)
    learned, tested = games.split(recipe.test_games, packaged.SEED)
    net = _network(recipe, games.size)
    planes = plane_names(net.input_spec)
    validation = None
    if recipe.validation_share:
        learned, held_out = learned.split(recipe.validation_share, packaged.SEED + 1)
        validation = _drawn(GoPositions(held_out, planes), recipe.test_samples, recipe.seed)
    train = sampled(GoPositions(learned, planes), recipe)
    test = _drawn(GoPositions(tested, planes), recipe.test_samples, packaged.SEED)
    notes = [
        f"{counted(len(learned), 'game')} to learn from, {counted(len(tested), 'other')} to test on: "
        f"{len(train):,} and {counted(len(test), 'position')}."
    ]
    if games.problems:
        shown = "; ".join(f"{one.path}: {one.reason}" for one in games.problems[:3])
        notes.append(f"{counted(len(games.problems), 'game is', 'games are')} cut or left out ({shown}).")
    spec = replace(net.input_spec, vocabulary=planes)
    net = replace(net, input_specs=(spec, *net.input_specs[1:])).to(find_device(recipe.device))
    task = GoPolicy.from_recipe(recipe)
    return TrainingSetup(net, task, train, test, tuple(notes), validation=validation)


def _network(recipe: GoRecipe, size: int) -> Net:
    """Return the network that a recipe names, or builds by its chain for the size of the boards."""
    if " " in recipe.network and not os.path.exists(recipe.network):  # noqa: PTH110  # takes text of any length
        planes = recipe.planes or SMALL_PLANES
        spec = TensorSpec((len(planes), size, size), kind=GO, vocabulary=planes)
        graph = chain("x".join(map(str, spec.shape)), recipe.network)
        return nets.wrap(nets.build(graph, seed=recipe.seed), spec, name="chain")
    net = nets.load(recipe.network, weights="packaged", seed=recipe.seed)
    if net.input_spec.kind != GO or net.input_spec.size != (size, size):
        from convscope.errors import UsageError

        raise UsageError(
            f"a network for boards of {size}x{size}, as the games of {recipe.data} are",
            received=f"{recipe.network}, for {'x'.join(map(str, net.input_spec.shape))}",
            hint="Choose go-residual-9x9 or go-residual-19x19, or a chain: 'conv 32 3x3 padding=1, relu, ..'",
        )
    return net


def _drawn(data: GoPositions, count: int, seed: int) -> GoPositions:
    """Return some positions, drawn at random, in their order."""
    if count >= len(data):
        return data
    generator = torch.Generator().manual_seed(seed_of(seed, "test positions"))
    return data.take(torch.randperm(len(data), generator=generator)[:count].sort().values)
