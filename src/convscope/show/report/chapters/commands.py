"""Commands printed under figures, with which readers reproduce the images and the numbers.

A command is a terminal command, or Python that runs as it stands, or both with an empty line between them.
"""

from typing import Any

from convscope.see.visualization import VisualizeRecipe

COMPARING = """\
{line}

import convscope as cs
from convscope.see.visualization.visualization import clean_scores
from convscope.worlds import digits
net = cs.load({folder!r})
made = cs.see.visualize(net, {places},
    {fields})
found = cs.see.compare_with_data(net, made, digits.test())
print(*found, sep="\\n")
goals = [cs.see.default_objective(place, reduce="sum") for place in made.places]
moved = clean_scores(net, goals, made.images.roll({move}, (-2, -1))).mean()
print(made.clean_scores.mean(), moved)"""
LIKENING = """\
{plain}
{sparse}

import convscope as cs, torch
from convscope.worlds import digits
net = cs.load({folder!r})
train = digits.train()
images = train.pixels(range(len(train))) / 255
averages = torch.stack([images[train.labels == k].mean(0) for k in range(10)]).flatten(1)
found = []
for l1 in (0, {l1}):
    made = cs.see.visualize(net, {places},
        {fields}, l1=l1)
    found.append(cs.see.compare_with_data(net, made, digits.test()))
    print(*found[-1], sep="\\n")
    flat = made.images.flatten(1)
    like = [torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(flat, averages)]
    print(flat.mean(), torch.stack(like).mean())"""
FOOLING = """\
import convscope as cs
from convscope.see.visualization.comparison import uniform_noise
net = cs.load({folder!r})
fooling = cs.see.fooling_images(net, range(10), steps={steps}, seed={seed})
print(fooling.confidences, fooling.steps)
print(net(uniform_noise(net)).softmax(1).max(1))"""


def fields(recipe: VisualizeRecipe) -> dict[str, Any]:
    """Return the settings in which a recipe differs from the defaults.

    Args:
        recipe: of a visualisation.

    Returns:
        Setting -> value in alphabetical order, without the network and the places.
    """
    changed = recipe.model_dump(exclude_defaults=True, exclude={"net", "places"})
    return dict(sorted(changed.items()))


def comparing(recipe: VisualizeRecipe, move: tuple[int, int]) -> str:
    """Write the command that reproduces the figures of preferred inputs.

    It makes the synthetic images, compares their activations with those of real digits, and measures the loss
    of activation under translation.

    Args:
        recipe: of the synthetic images.
        move: translation in pixels, (down, right).

    Returns:
        A terminal command, then a Python script.
    """
    return COMPARING.format(
        line=recipe.command(), folder=recipe.net, places=_places(recipe), fields=_written(recipe), move=move
    )


def likening(plain: VisualizeRecipe, sparse: VisualizeRecipe) -> str:
    """Write the command that reproduces the figure of the outputs' preferred inputs, with and without L1.

    It makes the synthetic images of both recipes, compares their activations with those of real digits, and
    computes their correlation with the mean digit of each class.

    Args:
        plain: recipe without penalty.
        sparse: the same recipe with an L1 penalty.

    Returns:
        Two terminal commands, then a Python script.
    """
    return LIKENING.format(
        plain=plain.command(),
        sparse=sparse.command(),
        folder=plain.net,
        places=_places(plain),
        fields=_written(plain),
        l1=sparse.l1,
    )


def _places(recipe: VisualizeRecipe) -> str:
    """Format the places of a recipe as Python arguments."""
    return ", ".join(f'"{place}"' for place in recipe.places)


def _written(recipe: VisualizeRecipe) -> str:
    """Format the changed settings of a recipe as Python keyword arguments, texts in double quotes."""
    return ", ".join(f"{k}={v!r}".replace("'", '"') for k, v in fields(recipe).items())
