"""The chapter on what each layer learned: kernels, feature maps, preferred inputs, fooling images."""

from collections import Counter
from collections.abc import Iterator, Sequence
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
from convscope.show.report.figure import Figure, Section
from convscope.show.report.figures.network import activation_bars, filters, fooling, maps, preferred_inputs
from convscope.show.report.figures.network.fooling import Noise
from convscope.show.report.figures.network.preferred_inputs import Likeness, PreferredRow
from convscope.system.progress import Progress
from convscope.worlds import LabelledDataset
from convscope.worlds.datasets import digits

FILTERS, NEURONS = 12, 9
PENALTY = 0.03
"""Weight of the L1 penalty: output units lost per pixel of full ink."""
FOOLED_STEPS = 4
"""Steps of a fooling image for each step of the others; they ascend more slowly, and may stop early."""
CONV2, DENSE, OUTPUT = (LayerAddress.parse(name) for name in ("conv2", "dense1", "output"))
STAGES = tuple(LayerAddress.parse(name) for name in ("conv1", "pool1", "conv2", "pool2"))


@dataclass(frozen=True, eq=False)
class Subject:
    """What the chapter visualises, and with which settings.

    Attributes:
        net: the trained network.
        data: the test digits.
        digit: the input whose feature maps are shown, `[1 h w]` in [0, 1].
        steps: optimisation steps for each synthetic image.
        seed: of all random numbers.
        folder: where the reader finds the network, for the commands under the figures.
        picture: where the reader finds the digit, for the commands under the figures.
    """

    net: Net
    data: LabelledDataset
    digit: Tensor
    steps: int
    seed: int
    folder: str
    picture: str


def chapter(subject: Subject) -> Iterator[Progress[Section | None]]:
    """Build the chapter on learned features, and yield progress.

    Figures: the first layer's kernels; feature maps of one digit; summed activations; preferred inputs of
    filters, dense neurons and outputs (the last with and without an L1 penalty); fooling images.

    Args:
        subject: network, data and settings.

    Yields:
        The progress before each expensive step, and the section at the end; None until then.
    """
    net = subject.net
    with torch.no_grad(), frozen(net.module):
        seen = record(net, subject.digit[None], STAGES)
        spread = _answers(net, subject.data, DENSE).std(dim=0)
    active = seen[CONV2][0].sum(dim=(1, 2))
    figures = _forward_figures(subject, {str(place): maps[0] for place, maps in seen.items()}, active)
    yield Progress(0.1, "filters", lambda: None)
    best = active.argsort(descending=True)[:FILTERS].tolist()
    rows, moved, command = _compared(subject, [f"{CONV2}:{unit}" for unit in best])
    figures.append(preferred_inputs.filters(rows, moved, command))
    yield Progress(0.4, "neurons", lambda: None)
    best = spread.argsort(descending=True)[:NEURONS].tolist()
    rows, moved, command = _compared(subject, [f"{DENSE}:{unit}" for unit in best])
    figures.append(preferred_inputs.neurons(rows, moved, command))
    yield Progress(0.6, "outputs", lambda: None)
    figures.append(_outputs(subject))
    yield Progress(0.8, "fooled", lambda: None)
    figures.append(_fooled(subject))
    section = Section("seen", tuple(figures))
    yield Progress(1.0, "done", lambda: section)


def _forward_figures(subject: Subject, seen: dict[str, Tensor], active: Tensor) -> list[Figure]:
    """Build the figures that need one forward pass only."""
    weights = subject.net.module.get_parameter("conv1.weight").detach()[:, 0]
    most = len(active)
    return [
        filters.figure(weights, _look_command(subject, ["conv1"], most)),
        maps.figure(subject.digit, list(seen.items()), _look_command(subject, list(seen), most)),
        activation_bars.figure(
            active.tolist(), str(CONV2), _look_command(subject, [str(CONV2)], most) + " --json"
        ),
    ]


def _look_command(subject: Subject, places: list[str], strongest: int) -> str:
    """Write the terminal command that shows feature maps of these layers for the digit."""
    values = {"net": subject.folder, "image": subject.picture, "places": places, "top_channels": strongest}
    return LookRecipe.parse(values).command()


def _compared(subject: Subject, places: Sequence[str]) -> tuple[list[PreferredRow], float, str]:
    """Make and compare synthetic images; return figure rows, mean activation when translated, and command."""
    recipe = _recipe(subject, places)
    made = _made(subject, recipe)
    goals = [default_objective(place, reduce="sum") for place in made.places]
    moved = clean_scores(subject.net, goals, made.images.roll(preferred_inputs.MOVE, (-2, -1)))
    return _rows(subject, made), float(moved.mean()), commands.comparing(recipe, preferred_inputs.MOVE)


def _rows(subject: Subject, made: Visualization) -> list[PreferredRow]:
    """Compare synthetic images with real digits, their random start and noise."""
    net, data = subject.net, subject.data
    found, starts = compare_with_data(net, made, data), start_of(net, made)
    real = data.inputs([line.best_index for line in found])
    noise = uniform_noise(net)[0]
    return [PreferredRow(line, starts[i], made.images[i], real[i], noise) for i, line in enumerate(found)]


def _outputs(subject: Subject) -> Figure:
    """Build the figure of the outputs' preferred inputs, with and without L1 penalty."""
    places = [f"{OUTPUT}:{unit}" for unit in range(len(subject.data.classes))]
    plain, sparse = (_recipe(subject, places, l1=weight) for weight in (0.0, PENALTY))
    made, made_sparse = _made(subject, plain), _made(subject, sparse)
    averages = _averages(digits.train())
    data = subject.data
    real = _correlation(data.inputs(range(len(data))), averages[data.labels])
    likeness = Likeness(_correlation(made.images, averages), _correlation(made_sparse.images, averages), real)
    return preferred_inputs.outputs(
        _rows(subject, made),
        _rows(subject, made_sparse),
        data.classes,
        PENALTY,
        likeness,
        commands.likening(plain, sparse),
    )


def _averages(data: LabelledDataset) -> Tensor:
    """Return the mean image of each class, `[classes c h w]`."""
    images = data.inputs(range(len(data)))
    return torch.stack([images[data.labels == k].mean(dim=0) for k in range(len(data.classes))])


def _correlation(images: Tensor, others: Tensor) -> float:
    """Return the Pearson correlation of pixels between paired images, as a mean over the pairs."""
    a, b = images.flatten(1), others.flatten(1)
    return float(F.cosine_similarity(a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)).mean())


def _fooled(subject: Subject) -> Figure:
    """Make fooling images and build their figure."""
    net, classes = subject.net, subject.data.classes
    steps = FOOLED_STEPS * subject.steps
    fooled = fooling_images(net, range(len(classes)), steps=steps, seed=subject.seed)
    with torch.no_grad(), frozen(net.module):
        probabilities = net(uniform_noise(net)).softmax(dim=1)
    confidences, answers = probabilities.max(dim=1)
    answer, times = Counter(answers.tolist()).most_common(1)[0]
    noise = Noise(classes[answer], times, len(answers), float(confidences.mean()))
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
    """Make the synthetic images of a recipe with the public function that the command names."""
    return visualize(subject.net, *recipe.places, **commands.fields(recipe))


def _answers(net: Net, data: LabelledDataset, place: LayerAddress, batch: int = 500) -> Tensor:
    """Return the activation of every unit for every image, `[n units]`."""
    return torch.cat(
        [record(net, images, [place])[place] for images, _ in data.batches(range(len(data)), batch)]
    )
