"""What readers type to get the same pictures and the same numbers.

A command is a terminal line, or Python that runs as it stands, or both with an empty line between them.
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
found = cs.see.compare(net, made, digits.test())
print(*found, sep="\\n")
goals = [cs.see.aim(place, reduce="sum") for place in made.places]
moved = clean_scores(net, goals, made.images.roll({move}, (-2, -1))).mean()
print(made.clean_scores.mean(), moved)"""
LIKENING = """\
{plain}
{sparse}

import convscope as cs, torch
from convscope.worlds import digits
net = cs.load({folder!r})
train = digits.train()
images = train.batch(range(len(train))) / 255
averages = torch.stack([images[train.labels == k].mean(0) for k in range(10)]).flatten(1)
found = []
for l1 in (0, {l1}):
    made = cs.see.visualize(net, {places},
        {fields}, l1=l1)
    found.append(cs.see.compare(net, made, digits.test()))
    print(*found[-1], sep="\\n")
    flat = made.images.flatten(1)
    like = [torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(flat, averages)]
    print(flat.mean(), torch.stack(like).mean())"""
FOOLING = """\
import convscope as cs
from convscope.see.visualization.comparison import uniform_noise
net = cs.load({folder!r})
fooling = cs.see.fool(net, range(10), steps={steps}, seed={seed})
print(fooling.confidences, fooling.steps)
print(net(uniform_noise(net)).softmax(1).max(1))"""


def fields(recipe: VisualizeRecipe) -> dict[str, Any]:
    """What a recipe changes, without the network and the places."""
    changed = recipe.model_dump(exclude_defaults=True, exclude={"net", "places"})
    return dict(sorted(changed.items()))


def comparing(recipe: VisualizeRecipe, move: tuple[int, int]) -> str:
    """Makes the pictures, compares them with real digits, and moves them aside."""
    return COMPARING.format(
        line=recipe.command(), folder=recipe.net, places=_places(recipe), fields=_written(recipe), move=move
    )


def likening(plain: VisualizeRecipe, sparse: VisualizeRecipe) -> str:
    """Makes the pictures of both recipes, and compares them with real digits and with averages."""
    return LIKENING.format(
        plain=plain.command(),
        sparse=sparse.command(),
        folder=plain.net,
        places=_places(plain),
        fields=_written(plain),
        l1=sparse.l1,
    )


def _places(recipe: VisualizeRecipe) -> str:
    return ", ".join(f'"{place}"' for place in recipe.places)


def _written(recipe: VisualizeRecipe) -> str:
    """Fields as Python; texts in double quotes."""
    return ", ".join(f"{k}={v!r}".replace("'", '"') for k, v in fields(recipe).items())
