"""What each layer learned."""

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from convscope.nets import LayerAddress, Net, frozen, record
from convscope.see import compare_with_data, default_objective, fooling_images, visualize
from convscope.see.visualization import (
    LookRecipe,
    Visualization,
    VisualizeRecipe,
    clean_scores,
    start_of,
    uniform_noise,
)
from convscope.show.report.chapters import commands
from convscope.show.report.events import Looked
from convscope.show.report.figure import Figure, Section
from convscope.show.report.figures.network import activation_bars, filters, fooling, maps, preferred_inputs
from convscope.show.report.figures.network.fooling import Noise
from convscope.show.report.figures.network.preferred_inputs import Likeness, Row
from convscope.worlds import LabelledImages, scaled
from convscope.worlds.datasets import digits

FILTERS, NEURONS = 12, 9
PENALTY = 0.03
"""Weight of the L1 penalty: output units lost per pixel of full ink."""
FOOLED_STEPS = 4
"""For every step of the other pictures; these climb more slowly, and stop when the network is sure."""
CONV2, DENSE, OUTPUT = (LayerAddress.parse(name) for name in ("conv2", "dense1", "output"))
STAGES = tuple(LayerAddress.parse(name) for name in ("conv1", "pool1", "conv2", "pool2"))

Looking = Generator[Looked, None, Section]


@dataclass(frozen=True, eq=False)
class Subject:
    """What the chapter looks at."""

    net: Net
    data: LabelledImages
    digit: Tensor
    """`[1 h w]` in [0, 1]."""
    steps: int
    seed: int
    folder: str
    """Where the reader finds the network."""
    picture: str
    """Where the reader finds the digit."""


def chapter(subject: Subject) -> Looking:
    """Filters, maps, what filters, neurons and outputs want, and what fools the network."""
    net = subject.net
    with torch.no_grad(), frozen(net.module):
        seen = record(net, subject.digit[None], STAGES)
        spread = _answers(net, subject.data, DENSE).std(dim=0)
    active = seen[CONV2][0].sum(dim=(1, 2))
    figures = _looked_at(subject, {str(place): maps[0] for place, maps in seen.items()}, active)
    yield Looked("filters", 0.1)
    best = active.argsort(descending=True)[:FILTERS].tolist()
    rows, moved, command = _compared(subject, [f"{CONV2}:{unit}" for unit in best])
    figures.append(preferred_inputs.filters(rows, moved, command))
    yield Looked("neurons", 0.4)
    best = spread.argsort(descending=True)[:NEURONS].tolist()
    rows, moved, command = _compared(subject, [f"{DENSE}:{unit}" for unit in best])
    figures.append(preferred_inputs.neurons(rows, moved, command))
    yield Looked("outputs", 0.6)
    figures.append(_outputs(subject))
    yield Looked("fooled", 0.8)
    figures.append(_fooled(subject))
    return Section("seen", tuple(figures))


def _looked_at(subject: Subject, seen: dict[str, Tensor], active: Tensor) -> list[Figure]:
    """The figures that one forward pass gives."""
    weights = subject.net.module.get_parameter("conv1.weight").detach()[:, 0]
    most = len(active)
    return [
        filters.figure(weights, _look(subject, ["conv1"], most)),
        maps.figure(subject.digit, list(seen.items()), _look(subject, list(seen), most)),
        activation_bars.figure(active.tolist(), str(CONV2), _look(subject, [str(CONV2)], most) + " --json"),
    ]


def _look(subject: Subject, places: list[str], strongest: int) -> str:
    values = {"net": subject.folder, "image": subject.picture, "places": places, "top_channels": strongest}
    return LookRecipe.parse(values).command()


def _compared(subject: Subject, places: Sequence[str]) -> tuple[list[Row], float, str]:
    """A row for each unit; their mean activation when the picture moves aside; what makes all this."""
    recipe = _recipe(subject, places)
    made = _made(subject, recipe)
    goals = [default_objective(place, reduce="sum") for place in made.places]
    moved = clean_scores(subject.net, goals, made.images.roll(preferred_inputs.MOVE, (-2, -1)))
    return _rows(subject, made), float(moved.mean()), commands.comparing(recipe, preferred_inputs.MOVE)


def _rows(subject: Subject, made: Visualization) -> list[Row]:
    net, data = subject.net, subject.data
    found, starts = compare_with_data(net, made, data), start_of(net, made)
    real = scaled(data.batch([line.best_index for line in found]), data.contract)
    noise = uniform_noise(net)[0]
    return [Row(line, starts[i], made.images[i], real[i], noise) for i, line in enumerate(found)]


def _outputs(subject: Subject) -> Figure:
    places = [f"{OUTPUT}:{unit}" for unit in range(len(subject.data.classes))]
    plain, sparse = (_recipe(subject, places, l1=weight) for weight in (0.0, PENALTY))
    made, inked = _made(subject, plain), _made(subject, sparse)
    averages = _averages(digits.train())
    data = subject.data
    real = _likeness(scaled(data.batch(range(len(data))), data.contract), averages[data.labels])
    likeness = Likeness(_likeness(made.images, averages), _likeness(inked.images, averages), real)
    return preferred_inputs.outputs(
        _rows(subject, made),
        _rows(subject, inked),
        data.classes,
        PENALTY,
        likeness,
        commands.likening(plain, sparse),
    )


def _averages(data: LabelledImages) -> Tensor:
    """The mean picture of each class, `[classes c h w]`."""
    images = scaled(data.batch(range(len(data))), data.contract)
    return torch.stack([images[data.labels == k].mean(dim=0) for k in range(len(data.classes))])


def _likeness(images: Tensor, others: Tensor) -> float:
    """The correlation of pixels, picture by picture, as a mean."""
    a, b = images.flatten(1), others.flatten(1)
    return float(F.cosine_similarity(a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)).mean())


def _fooled(subject: Subject) -> Figure:
    net, classes = subject.net, subject.data.classes
    steps = FOOLED_STEPS * subject.steps
    fooled = fooling_images(net, range(len(classes)), steps=steps, seed=subject.seed)
    with torch.no_grad(), frozen(net.module):
        chances = net(uniform_noise(net)).softmax(dim=1)
    sure, answers = chances.max(dim=1)
    answer, times = Counter(answers.tolist()).most_common(1)[0]
    noise = Noise(classes[answer], times, len(answers), float(sure.mean()))
    command = commands.FOOLING.format(folder=subject.folder, seed=subject.seed, steps=steps)
    return fooling.figure(fooled, classes, noise, command)


def _recipe(subject: Subject, places: Sequence[str], **changes: object) -> VisualizeRecipe:
    values = {
        "net": subject.folder,
        "places": list(places),
        "steps": subject.steps,
        "seed": subject.seed,
        "canvas": "pixels",
        "transforms": "none",
        "reduce": "sum",
        **changes,
    }
    return VisualizeRecipe.parse(values)


def _made(subject: Subject, recipe: VisualizeRecipe) -> Visualization:
    """The pictures of the recipe, as anybody would make them."""
    return visualize(subject.net, *recipe.places, **commands.fields(recipe))


def _answers(net: Net, data: LabelledImages, place: LayerAddress, batch: int = 500) -> Tensor:
    """What every unit answers to every picture, `[n units]`."""
    return torch.cat(
        [
            record(net, scaled(images, data.contract), [place])[place]
            for images, _ in data.batches(range(len(data)), batch)
        ]
    )
