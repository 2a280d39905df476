"""The measurements of `benchmarks.style`, one to a process, so that each has its own peak of memory.

python -m benchmarks.style_worker neural-style 512 1000
python -m benchmarks.style_worker pystiche 512 12
python -m benchmarks.style_worker convscope 512 5000.0
python -m benchmarks.style_worker steps 512 12
python -m benchmarks.style_worker tiles 2048 5.5
python -m benchmarks.style_worker default 256
python -m benchmarks.style_worker stopped 256 45.0 100
python -m benchmarks.style_worker pystiche-stopped 256 45.0 100

The last three are for the sheet (`scripts/make_peer_sheets.py`): they return pictures too, and count seconds
of processor time.
"""

import base64
import contextlib
import io
import json
import resource
import sys
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms.functional import pil_to_tensor, resize, to_pil_image

import convscope as cs
from benchmarks import style_measures
from benchmarks.style_measures import DATA
from convscope.see.style.problem import StyleProblem
from convscope.see.style.recipe import StyleRecipe
from convscope.see.style.transfer import iter_style_transfer

CONTENT, PAINTING = "content_tubingen_neckar.jpg", "van_gogh_starry_night_1889.jpg"
BLOCKS = (2, 2, 3, 3, 1)
STYLE, VALUES = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"), "relu4_2"
MEAN = (103.939, 116.779, 123.68)
"""neural-style's, of blue, green and red from 0 to 256."""
CONTENT_WEIGHT, STYLE_WEIGHT, SMOOTH = 5.0, 100.0, 1e-3
"""neural-style's defaults."""
OURS: dict[str, Any] = {
    "scaling": "neural-style",
    "pool": "own",
    "smooth": SMOOTH,
    "content_weight": CONTENT_WEIGHT / STYLE_WEIGHT,
}
EVERY = 5
"""Steps between two pictures that are kept to be judged afterwards; keeping them does not count."""
LONGEST = 1000
"""neural-style's default number of steps."""
GRID = 16
"""Pixels for each position of relu5_1; tiles are cut at multiples."""


def picture(name: str, side: int) -> Tensor:
    """As neural-style opens it: longer side in pixels, values from 0 to 1."""
    with Image.open(DATA / "paintings" / name) as image:
        opened = image.convert("RGB")
    height, width = (int(side / max(opened.size) * extent) for extent in (opened.height, opened.width))
    return pil_to_tensor(resize(opened, [height, width])).float() / 255  # pyright: ignore[reportArgumentType]


def layers(net: cs.Net) -> dict[str, tuple[Tensor, Tensor]]:
    """Kernels, for blue, green and red, and biases, by the papers' names."""
    found: dict[str, tuple[Tensor, Tensor]] = {}
    for block, count in enumerate(BLOCKS, start=1):
        for number in range(1, count + 1):
            conv = net.module.get_submodule(f"conv{block}_{number}")
            weight = conv.weight.detach()  # pyright: ignore[reportAttributeAccessIssue]
            flipped = weight.flip(1) if (block, number) == (1, 1) else weight
            found[f"{block}_{number}"] = (flipped.contiguous(), conv.bias.detach())  # pyright: ignore
    return found


def plain(kernels: dict[str, tuple[Tensor, Tensor]], image: Tensor) -> dict[str, Tensor]:
    """VGG16 once more, as plain functions: what both tools' pictures are judged by."""
    x = (image[[2, 1, 0]] * 256 - torch.tensor(MEAN).view(3, 1, 1))[None]
    found: dict[str, Tensor] = {}
    for name, (weight, bias) in kernels.items():
        if name.endswith("_1") and name != "1_1":
            x = F.max_pool2d(x, 2)
        x = F.relu(F.conv2d(x, weight, bias, padding=1))
        found[f"relu{name}"] = x
    return found


class Judge:
    """neural-style's loss of a finished picture, rounded to bytes as it would be saved."""

    def __init__(self, net: cs.Net, side: int) -> None:
        self.kernels = layers(net)
        with torch.no_grad():
            self.values = plain(self.kernels, picture(CONTENT, side))[VALUES]
            painting = plain(self.kernels, picture(PAINTING, side))
        self.grams = {name: self.gram(painting[name]) for name in STYLE}

    @staticmethod
    def gram(maps: Tensor) -> Tensor:
        """Over the number of values, as neural-style does."""
        flat = maps[0].flatten(1)
        return flat @ flat.T / maps.numel()

    @torch.no_grad()
    def __call__(self, image: Tensor) -> float:
        """The loss."""
        image = (image * 255).round().clamp(0, 255) / 255
        here = plain(self.kernels, image)
        total = CONTENT_WEIGHT * F.mse_loss(here[VALUES], self.values)
        for name, wanted in self.grams.items():
            total = total + STYLE_WEIGHT * F.mse_loss(self.gram(here[name]), wanted)
        down, along = image[:, 1:] - image[:, :-1], image[:, :, 1:] - image[:, :, :-1]
        return float(total + SMOOTH * 256 * (down.abs().sum() + along.abs().sum()))


def peak() -> float:
    """Most memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


@contextlib.contextmanager
def _their_program(side: int, iterations: int, *more: str) -> Iterator[tuple[Any, Path]]:
    """neural-style with its own defaults, VGG16's file holding our network's weights; its picture's file."""
    with tempfile.TemporaryDirectory() as folder:
        weights, out = Path(folder, "vgg16-hed.pth"), Path(folder, "out.png")
        torch.save(_numbered(cs.load("hed-vgg16")), weights)
        settings = {
            "gpu": "c",
            "model_file": str(weights),
            "image_size": str(side),
            "content_image": str(DATA / "paintings" / CONTENT),
            "seed": "0",
            "style_image": str(DATA / "paintings" / PAINTING),
            "output_image": str(out),
            "num_iterations": str(iterations),
            "save_iter": "0",
            "print_iter": "0",
        }
        words = [word for name, value in settings.items() for word in (f"-{name}", value)]
        sys.argv = ["neural-style", "-disable_check", *words, *more]
        import neural_style.neural_style as theirs  # pyright: ignore[reportMissingImports]

        yield theirs, out


def _opened(file: Path) -> Tensor:
    with Image.open(file) as image:
        return pil_to_tensor(image.convert("RGB")).float() / 255


def neural_style(side: int, iterations: int) -> dict[str, Any]:
    """A whole run, as it comes."""
    moments: list[float] = []
    with _their_program(side, iterations) as (theirs, out):
        plain_smoothness = theirs.TVLoss.forward

        def noted(self: Any, image: Tensor) -> Tensor:
            moments.append(time.perf_counter())
            return plain_smoothness(self, image)

        theirs.TVLoss.forward = noted
        theirs.main()
        ended, most = time.perf_counter(), peak()
        made = _opened(out)
    looks = moments[-iterations:]
    return {
        "seconds": ended - looks[0],
        "each": _gaps(looks),
        "peak": most,
        "loss": Judge(cs.load("hed-vgg16"), side)(made),
        "size": list(made.shape[1:]),
        "seen": looked_at(made),
    }


class _Enough(Exception):
    """Ends another program's loop."""


def stopped(side: int, seconds: float, weight: float) -> dict[str, Any]:
    """neural-style's picture after seconds of processor time, with a weight of style."""
    started, steps, found = 0.0, 0, {}
    with _their_program(side, LONGEST, "-style_weight", str(weight)) as (theirs, _):
        plain_smoothness = theirs.TVLoss.forward

        def noted(self: Any, image: Tensor) -> Tensor:
            nonlocal started, steps, found
            if isinstance(image, nn.Parameter):  # not the photograph or the painting
                started = started or time.process_time()
                spent = time.process_time() - started
                if spent >= seconds:
                    picture = pil_to_tensor(theirs.deprocess(image.detach().clone())).float() / 255
                    found = _shown(picture, spent, steps)
                    raise _Enough
                steps += 1
            return plain_smoothness(self, image)

        theirs.TVLoss.forward = noted
        with contextlib.suppress(_Enough):
            theirs.main()
    return found


def default(side: int) -> dict[str, Any]:
    """The verb's default from opened pictures to a painted one."""
    net, content, painting = cs.load("hed-vgg16"), picture(CONTENT, side), picture(PAINTING, side)
    started = time.process_time()
    made = cs.see.style_transfer(net, content, painting)
    shown = _shown(made.image, time.process_time() - started, sum(made.steps))
    return {**shown, "photograph": _png(content), "painting": _png(painting)}


def _shown(made: Tensor, seconds: float, steps: int) -> dict[str, Any]:
    """A picture with values from 0 to 1 for the sheet, and what the onlooker says of it."""
    return {"png": _png(made), "seconds": seconds, "steps": steps, "seen": looked_at(made)}


def _png(image: Tensor) -> str:
    file = io.BytesIO()
    to_pil_image((image * 255).round().byte()).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def looked_at(made: Tensor) -> dict[str, float]:
    """What a network that nobody optimised says of it."""
    side = max(made.shape)
    return style_measures.seen(made, picture(CONTENT, side), picture(PAINTING, side))


def _numbered(net: cs.Net) -> dict[str, Tensor]:
    """By torchvision's names of VGG16."""
    at, found = 0, {}
    for name, (weight, bias) in layers(net).items():
        at += 1 if name.endswith("_1") and name != "1_1" else 0
        found[f"features.{at}.weight"], found[f"features.{at}.bias"] = weight, bias
        at += 2
    return found


def _gaps(moments: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(moments[2:])]


def _their_goal(side: int, style_weight: float) -> tuple[Any, Tensor]:
    """Losses of pystiche on the same layers, and the photograph to begin with."""
    for name in ("alexnet", "vgg"):  # it asks for addresses that torchvision has dropped; none is fetched
        vars(import_module(f"torchvision.models.{name}")).setdefault("model_urls", defaultdict(str))
    from pystiche import enc, loss  # pyright: ignore[reportMissingImports]

    parts: list[tuple[str, nn.Module]] = []
    for name, (weight, bias) in layers(cs.load("hed-vgg16")).items():
        if name.endswith("_1") and name != "1_1":
            parts.append((f"pool{name[0]}", nn.MaxPool2d(2)))
        conv = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
        conv.load_state_dict({"weight": weight, "bias": bias})
        parts += [(f"conv{name}", conv), (f"relu{name}", nn.ReLU())]
    encoder = enc.MultiLayerEncoder(parts)
    for parameter in encoder.parameters():
        parameter.requires_grad_(False)
    shift = torch.tensor(MEAN).view(1, 3, 1, 1)
    content, painting = (picture(n, side)[None, [2, 1, 0]] * 256 - shift for n in (CONTENT, PAINTING))
    values = loss.FeatureReconstructionLoss(encoder.extract_encoder(VALUES), score_weight=CONTENT_WEIGHT)
    style = loss.MultiLayerEncodingLoss(
        encoder,
        STYLE,
        lambda part, weight: loss.GramLoss(part, score_weight=weight),
        score_weight=style_weight,
    )
    return loss.PerceptualLoss(values, style, content_image=content, style_image=painting), content


def pystiche(side: int, iterations: int) -> dict[str, Any]:
    """Its L-BFGS on the same layers and losses; only the time of a step is compared."""
    goal, content = _their_goal(side, STYLE_WEIGHT)
    from pystiche import optim  # pyright: ignore[reportMissingImports]

    moments: list[float] = []

    def noted(image: Tensor) -> Any:
        moments.append(time.perf_counter())
        return goal(image)

    optim.image_optimization(content.clone(), noted, num_steps=iterations, quiet=True)
    return {"each": _gaps(moments), "peak": peak()}


def pystiche_stopped(side: int, seconds: float, weight: float) -> dict[str, Any]:
    """The picture of pystiche after seconds of processor time, with a weight of style."""
    goal, content = _their_goal(side, weight)
    from pystiche import optim  # pyright: ignore[reportMissingImports]

    started, steps, found = time.process_time(), 0, {}

    def noted(image: Tensor) -> Any:
        nonlocal steps, found
        spent = time.process_time() - started
        if spent >= seconds:
            shown = (image.detach()[0] + torch.tensor(MEAN).view(3, 1, 1))[[2, 1, 0]] / 256
            found = _shown(shown.clamp(0, 1), spent, steps)
            raise _Enough
        steps += 1
        return goal(image)

    with contextlib.suppress(_Enough):
        optim.image_optimization(content.clone(), noted, num_steps=LONGEST, quiet=True)
    return found


def _recipe(**more: Any) -> StyleRecipe:
    return StyleRecipe.parse({"content": CONTENT, "style": [PAINTING], **OURS, **more})


def convscope(side: int, goal: float) -> dict[str, Any]:
    """A whole run by default; then, of pictures kept on the way, when the loss was `goal`."""
    net, content, painting = cs.load("hed-vgg16"), picture(CONTENT, side), picture(PAINTING, side)
    gaps: list[float] = []
    kept: list[tuple[float, Path]] = []
    with tempfile.TemporaryDirectory() as folder:
        spent, started = 0.0, time.perf_counter()
        for step in iter_style_transfer(StyleProblem(net, content, [painting], _recipe())):
            now = time.perf_counter()
            spent += now - started
            state = step.result()
            if taken := state.steps[-1]:
                gaps += [now - started] if taken > 3 else []
                if taken % EVERY == 0:
                    kept.append((spent, Path(folder, f"{taken}.png")))
                    to_pil_image((state.image * 255).round().byte()).save(kept[-1][1])
            started = time.perf_counter()
        most, judge, course = peak(), Judge(net, side), []
        for seconds, file in kept:
            with Image.open(file) as image:
                made = pil_to_tensor(image).float() / 255
            course.append((seconds, judge(made)))
    first = next(((seconds, loss) for seconds, loss in course if loss <= goal), None)
    return {
        "whole": spent,
        "loss": course[-1][1],
        "reached": first,
        "course": course,
        "each": gaps,
        "peak": most,
        "seen": looked_at(made),
    }


def steps(side: int, count: int) -> dict[str, Any]:
    """A few steps at full size, nothing else: the peak of memory, and seconds for each."""
    net = cs.load("hed-vgg16")
    recipe, moments = _recipe(steps=[count], scales=1), []
    for _ in iter_style_transfer(
        StyleProblem(net, picture(CONTENT, side), [picture(PAINTING, side)], recipe)
    ):
        moments.append(time.perf_counter())
    return {"each": _gaps(moments), "peak": peak()}


def tiles(side: int, gigabytes: float) -> dict[str, Any]:
    """A square picture in tiles: the peak of memory, and whether seams can be seen."""
    from convscope.see.optimize.tiling import geometry

    cuts: dict[str, Any] = {}
    original: Callable[..., Any] = geometry.plan_tiles

    def noted(*arguments: Any) -> Any:
        plan = original(*arguments)
        if plan.size == (side, side):
            cuts.update(axes=plan.axes, exact=plan.exact, tiles=len(plan), halo=plan.halo, reach=plan.reach)
        return plan

    for module in list(sys.modules.values()):
        if getattr(module, original.__name__, None) is original:
            setattr(module, original.__name__, noted)
    net, content = cs.load("hed-vgg16"), picture(CONTENT, side)
    square = resize(to_pil_image(content), [side, side])
    content = pil_to_tensor(square).float() / 255  # pyright: ignore[reportArgumentType]
    recipe = _recipe(steps=[4], scales=1, precision="bf16", memory=f"{gigabytes}GB")
    started = time.perf_counter()
    last = deque(
        iter_style_transfer(StyleProblem(net, content, [picture(PAINTING, 768)], recipe)), maxlen=1
    ).pop()
    seconds, most = time.perf_counter() - started, peak()
    if "axes" not in cuts:
        raise RuntimeError("nothing was cut")
    change = last.result().image - content
    return {
        "seconds": seconds,
        "peak": most,
        "tiles": cuts["tiles"],
        "exact": cuts["exact"],
        "halo": cuts["halo"],
        "reach": cuts["reach"],
        "seams": seams(change, cuts["axes"]),
    }


def seams(change: Tensor, axes: Any) -> dict[str, Any]:
    """How much what was painted differs across each border of tiles, beside lines that are none.

    Each line's difference is a share of the median of the 32 lines around it. Ordinary lines are those at the
    other multiples of `GRID`: pooling has its own borders there, and so have tiles.
    """
    borders, ordinary = [], []
    for axis, spans in enumerate(axes, start=1):
        jumps = change.diff(dim=axis).abs().mean(dim=[i for i in range(3) if i != axis])
        cuts = {span.core[0] for span in spans[1:]}
        for first in range(GRID, len(jumps), GRID):
            i = first - 1  # the step from the line before
            around = [k for k in range(i - 16, i + 17) if k != i and 0 <= k < len(jumps)]
            ratio = float(jumps[i] / jumps[around].median())
            (borders if first in cuts else ordinary).append(ratio)
    ordinary.sort()
    below = [sum(other <= ratio for other in ordinary) / len(ordinary) for ratio in borders]
    return {
        "borders": borders,
        "ranks": below,
        "ordinary": ordinary,
        # how often the largest of so many ordinary lines would be larger still
        "chance": 1 - max(below) ** len(below),
    }


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    "neural-style": neural_style,
    "pystiche": pystiche,
    "convscope": convscope,
    "steps": steps,
    "tiles": tiles,
    "default": default,
    "stopped": stopped,
    "pystiche-stopped": pystiche_stopped,
}

if __name__ == "__main__":
    job, *numbers = sys.argv[1:]
    with contextlib.redirect_stdout(sys.stderr):
        found = JOBS[job](*(float(n) if "." in n else int(n) for n in numbers))
    print(json.dumps(found))
