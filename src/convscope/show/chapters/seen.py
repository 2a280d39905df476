"""What each layer learned."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from convscope.nets import Net, Place, frozen, record
from convscope.see.ascent import ascend
from convscope.see.canvas import pixels
from convscope.see.measures import confidence
from convscope.see.objective import each
from convscope.see.recipe import Look, Visualize
from convscope.see.visualization import visualizing
from convscope.show.events import Looked
from convscope.show.figure import Figure, Section
from convscope.show.figures import degrees, filters, fooled, maps, wanted
from convscope.show.figures.units import Shown
from convscope.worlds import Samples, scaled

FILTERS, NEURONS = 12, 9
PENALTY = 0.1
"""Weight of the L1 penalty: output units lost per pixel of full ink."""
FOOLED_STEPS = 40
FOOLING = """\
import torch, convscope as cs
from convscope.see import ascend, confidence, each, pixels
net = cs.load("{folder}")
noise = torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed({seed}))
canvas = pixels(net.contract, range(10), start=noise)
*_, last = ascend(net, each(confidence(k) for k in range(10)), canvas, steps={steps})
print(net(last.images).softmax(1).diagonal())"""
CONV1, CONV2, DENSE, OUTPUT = (Place.parse(name) for name in ("conv1", "conv2", "dense1", "output"))
STAGES = tuple(Place.parse(name) for name in ("conv1", "pool1", "conv2", "pool2"))

Looking = Generator[Looked, None, Section]


@dataclass(frozen=True, eq=False)
class Subject:
    """What the chapter looks at."""

    net: Net
    data: Samples
    digit: Tensor
    """`[1 h w]` in [0, 1]."""
    steps: int
    seed: int
    folder: str
    """Where the reader finds the network."""


def chapter(subject: Subject) -> Looking:
    """Filters, maps, what filters, neurons and outputs want, and what fools the network."""
    net, digit = subject.net, subject.digit
    with torch.no_grad(), frozen(net.module):
        seen = record(net, digit[None], STAGES)
        answers = {place: _answers(net, subject.data, place) for place in (CONV2, DENSE, OUTPUT)}
    weights = net.module.get_parameter("conv1.weight").detach()[:, 0]
    active = seen[CONV2][0].sum(dim=(1, 2))
    look = Look.parse({"net": subject.folder}).command()
    figures: list[Figure] = [
        filters.figure(weights, look),
        maps.figure(digit, [(str(p), seen[p][0]) for p in STAGES], look),
        degrees.figure(active.tolist(), "conv2", look),
    ]
    best = active.argsort(descending=True)[:FILTERS].tolist()
    yield Looked("filters", 0.1)
    rows = _rows(subject, CONV2, best, answers[CONV2])
    figures.append(wanted.filters(rows, _recipe(subject, list(rows)).command()))
    yield Looked("neurons", 0.4)
    spread = answers[DENSE].std(dim=0).argsort(descending=True)[:NEURONS].tolist()
    rows = _rows(subject, DENSE, spread, answers[DENSE])
    figures.append(wanted.neurons(rows, _recipe(subject, list(rows)).command()))
    yield Looked("outputs", 0.6)
    figures.append(_outputs(subject, answers[OUTPUT]))
    yield Looked("fooled", 0.8)
    figures.append(_fooled(subject))
    return Section("seen", tuple(figures))


def _rows(subject: Subject, place: Place, units: Sequence[int], answers: Tensor) -> dict[str, list[Shown]]:
    """For every unit: random start, the picture made for it, the best real digit, noise."""
    places = [f"{place}:{unit}" for unit in units]
    start, made = _made(subject, places, steps=0), _made(subject, places)
    real = _pictures(subject.data, answers[:, units].argmax(dim=0))
    columns = (start, made, real, _noise(subject).expand_as(made))
    scores = [_scores(subject.net, images, place, units) for images in columns]
    return {
        name: [Shown(images[i], scores[k][i]) for k, images in enumerate(columns)]
        for i, name in enumerate(places)
    }


def _outputs(subject: Subject, answers: Tensor) -> Figure:
    units = list(range(answers.shape[1]))
    places = [f"output:{unit}" for unit in units]
    plain, sparse = _made(subject, places), _made(subject, places, l1=PENALTY)
    real, noise = _pictures(subject.data, answers.argmax(dim=0)), _noise(subject).expand_as(plain)
    columns = (plain, sparse, real, noise)
    scores = [_scores(subject.net, images, OUTPUT, units) for images in columns]
    rows = {
        subject.data.classes[k]: [Shown(images[k], scores[c][k]) for c, images in enumerate(columns)]
        for k in units
    }
    return wanted.outputs(rows, PENALTY, _recipe(subject, places, l1=PENALTY).command())


def _fooled(subject: Subject) -> Figure:
    net, classes = subject.net, subject.data.classes
    canvas = pixels(net.contract, range(len(classes)), start=_noise(subject))
    made = canvas.images()
    for step in ascend(net, each(confidence(k) for k in range(len(classes))), canvas, steps=FOOLED_STEPS):
        made = step.images
    with torch.no_grad(), frozen(net.module):
        chances = net(made).softmax(dim=1).diagonal().tolist()
        noise = net(_noise(subject)).softmax(dim=1)[0]
    shown = [Shown(image, chance) for image, chance in zip(made, chances, strict=True)]
    said = (classes[int(noise.argmax())], float(noise.max()))
    return fooled.figure(shown, classes, said, _fooling_script(subject))


def _recipe(subject: Subject, places: Sequence[str], **changes: object) -> Visualize:
    values = {"net": subject.folder, "places": list(places), "steps": subject.steps, "seed": subject.seed,
              "canvas": "pixels", "transforms": "none", "reduce": "sum", **changes}  # fmt: skip
    return Visualize.parse(values)


def _made(subject: Subject, places: Sequence[str], **changes: object) -> Tensor:
    """The pictures that the recipe makes, `[n c h w]`."""
    with frozen(subject.net.module):
        *_, last = visualizing(subject.net, _recipe(subject, places, **changes))
    return last.visualization().images


def _fooling_script(subject: Subject) -> str:
    return FOOLING.format(folder=subject.folder, seed=subject.seed, steps=FOOLED_STEPS)


def _answers(net: Net, data: Samples, place: Place, batch: int = 500) -> Tensor:
    """What every unit answers to every picture, summed over its map: `[n units]`."""
    parts = [
        _summed(record(net, scaled(images, data.contract), [place])[place])
        for images, _ in data.batches(range(len(data)), batch)
    ]
    return torch.cat(parts)


def _scores(net: Net, images: Tensor, place: Place, units: Sequence[int]) -> list[float]:
    """What unit i answers to image i."""
    with torch.no_grad(), frozen(net.module):
        answers = _summed(record(net, images, [place])[place])
    return answers[torch.arange(len(units)), torch.tensor(units)].tolist()


def _summed(activation: Tensor) -> Tensor:
    return activation.flatten(2).sum(dim=2) if activation.dim() > 2 else activation


def _pictures(data: Samples, indices: Tensor) -> Tensor:
    return scaled(data.batch(indices), data.contract)


def _noise(subject: Subject) -> Tensor:
    return torch.rand(1, *subject.net.contract.shape, generator=torch.Generator().manual_seed(subject.seed))
