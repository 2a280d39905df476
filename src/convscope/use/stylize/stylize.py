"""A photograph painted by a network that was taught styles."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from convscope.errors import UsageError, nearest
from convscope.nets import Net
from convscope.nets.inference.execution import DTYPES, ExecutionConfig, kept_choice, processor, store
from convscope.nets.inference.inference_copy import inference_copy
from convscope.nets.style.adain import AdaIN, statistics
from convscope.nets.style.bank import PLAIN, StyleBank
from convscope.recipe import in_bytes, real_number
from convscope.use.stylize.tiled import AdaINStyle, SingleStyle, StyleMix, TilePainter, stylize_tiled
from convscope.worlds.images import photos
from convscope.worlds.images.style_images import painting

MEMORY = "1GiB"
"""What a photograph is painted in, unless told otherwise."""
PAINTING = 512
"""Longer side of a painting whose style is taken."""
TRIAL = 256
"""Side of the picture that precisions are timed on."""
WORTH = 1.05
"""How much faster bf16 must be."""


@dataclass(frozen=True)
class Region:
    """Where a picture is bright, it gets this style."""

    mask: Image.Image
    style: str


def stylize(
    net: Net,
    photo: Image.Image,
    mixture: Mapping[str, float] | None = None,
    *,
    regions: Sequence[Region] = (),
    memory: str = MEMORY,
    choice: ExecutionConfig | None = None,
) -> Image.Image:
    """The photograph, painted, in its own size.

    `restyle(load("stylebank"), open_photo("me.jpg"), {"great-wave": 0.5, "scream": 0.5})`

    Args:
        net: a network that paints, such as `load("stylebank")`.
        photo: upright, RGB.
        mixture: how much of each style; what is missing from 1 is the photograph itself. The first style
            alone if left out. For an AdaIN network styles are files of paintings, and `photo`.
        regions: styles for parts of the picture; later ones lie above earlier ones, and all above `mixture`.
        memory: to work in, as in `1GB`; larger photographs are painted in parts that fit together.
        choice: precision and memory format; measured if left out.

    Raises:
        UsageError: the network does not paint, has no such style, or cannot mix or tell regions apart.
        DataError: a painting is no picture, or too small to have a style.
    """
    if not isinstance(net.module, AdaIN):
        styles = styles_of(net)
        mixture = {style_named(n, styles): w for n, w in mixture.items()} if mixture else {styles[0]: 1.0}
    choice = choice or fastest(net)
    ready = _ready(net, choice)
    with torch.inference_mode():
        brush = _brush(ready, dict(mixture or {}), regions)
        painted = stylize_tiled(ready, photos.to_uint8(photo), brush, in_bytes(memory) or in_bytes(MEMORY))
    return Image.fromarray(painted.permute(1, 2, 0).numpy())


def styles_of(net: Net) -> tuple[str, ...]:
    """Names of the styles that a network paints.

    Raises:
        UsageError: it does not paint.
    """
    styles = getattr(net.module, "styles", ())
    if not styles:
        raise UsageError(
            "a network that paints",
            received=net.name,
            hint="stylebank ships with the package; convscope style train makes others.",
        )
    return tuple(styles)


def style_named(name: str, styles: Sequence[str]) -> str:
    """The style of that name, or the only one whose name contains it: `wave` is `great-wave`.

    Raises:
        UsageError: there is none, or several.
    """
    names = (*styles, PLAIN)
    if name in names:
        return name
    found = [style for style in names if name and name.lower() in style]
    if len(found) != 1:
        hint = f"Did you mean {' or '.join(found)}?" if found else nearest(name, names)
        raise UsageError("the name of one style", received=name or "nothing", hint=hint)
    return found[0]


def mixture_of(words: Sequence[str], styles: Sequence[str]) -> dict[str, float]:
    """Weights from `NAME:WEIGHT`; those without a number share equally what the others leave of 1.

    Raises:
        UsageError: a name is unknown or there twice, or a weight is no number.
    """
    given: dict[str, float | None] = {}
    for word in words:
        match = re.fullmatch(r"([^:]*)(?::([^:]*))?", word)
        name = style_named(match[1] if match else word, styles)
        if name in given:
            raise UsageError("each style once", received=f"{name}, twice")
        given[name] = None if match is None or match[2] is None else _number(match[2], word)
    return _filled(given)


def paintings_of(words: Sequence[str]) -> dict[str, float]:
    """Weights from `FILE` or `FILE:WEIGHT`, for a network that takes any style; `photo` is the photograph.

    Raises:
        UsageError: a weight is out of range, a file there twice, or a word the name of a style.
    """
    names = [word for word in words if not is_painting(word) and word.partition(":")[0] != PLAIN]
    if names:
        raise UsageError(
            "files of paintings for a network that takes any style",
            received=", ".join(names),
            hint="Names are those of a StyleBank, files of paintings go to adain; the two do not mix.",
        )
    given: dict[str, float | None] = {}
    for word in words:
        file, colon, weight = word.rpartition(":")
        known = bool(colon) and not _there(word)
        name = file if known else word
        if name in given:
            raise UsageError("each painting once", received=f"{name}, twice")
        given[name] = _number(weight, word) if known else None
    return _filled(given)


def is_painting(word: str) -> bool:
    """Whether a style, with or without a weight, is a file: it ends as files do, or it is there.

    `photo` is none, even where there is such a file: it is the photograph as it was.
    """
    if word.partition(":")[0] == PLAIN:
        return False
    names = word, word.rpartition(":")[0]
    return any(Path(name).suffix[1:2].isalpha() or _there(name) for name in names)


def _there(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _filled(given: Mapping[str, float | None]) -> dict[str, float]:
    open_ones = [name for name, weight in given.items() if weight is None]
    rest = 1 - sum(weight for weight in given.values() if weight is not None)
    return {name: rest / len(open_ones) if weight is None else weight for name, weight in given.items()}


def _number(text: str, word: str) -> float:
    value = real_number(text)
    if value is None or not -10 <= value <= 10:
        raise UsageError("a weight from -10 to 10 after the colon", received=word)
    return value


def regions_of(net: Net, words: Sequence[str]) -> list[Region]:
    """Regions from `FILE:NAME`, in this order.

    Raises:
        UsageError: the network takes no regions, a word is written otherwise, or a style is unknown.
        DataError: a file is no picture.
    """
    if words and isinstance(net.module, AdaIN):
        raise _paintings_only(f"--mask {words[0]}")
    return [region_of(word, styles_of(net)) for word in words]


def region_of(word: str, styles: Sequence[str]) -> Region:
    """A region from `FILE:NAME`.

    Raises:
        UsageError: it is written otherwise, or the style is unknown.
        DataError: the file is no picture.
    """
    file, colon, name = word.rpartition(":")
    if not colon or not file:
        raise UsageError("a mask as FILE:NAME", received=word, hint="For example: --mask sky.png:wave")
    return Region(photos.open_photo(Path(file)), style_named(name, styles))


def fastest(net: Net) -> ExecutionConfig:
    """fp32 or bf16, channels last: timed once for a network's sizes and a machine."""
    plain, mixed = ExecutionConfig("fp32", True), ExecutionConfig("bf16", True)
    if net.device.type == "mps":
        return ExecutionConfig()
    key = _key(net)
    kept = kept_choice(key, (plain, mixed))
    if kept is not None:
        return kept
    seconds = {choice: _timed(net, choice) for choice in (plain, mixed)}
    best = mixed if seconds[mixed] * WORTH < seconds[plain] else plain
    store(key, asdict(best))
    return best


def _key(net: Net) -> str:
    sizes = [tuple(weight.shape) for weight in net.module.parameters()]
    facts = repr((sizes, processor(net.device), torch.get_num_threads(), torch.__version__))
    return "restyle " + hashlib.sha256(facts.encode()).hexdigest()[:32]


def _timed(net: Net, choice: ExecutionConfig) -> float:
    example = torch.full((1, 3, TRIAL, TRIAL), 0.5, device=net.device)
    copy = inference_copy(net, example, [], dtype=_dtype(choice), channels_last=choice.channels_last)
    taken = []
    with torch.inference_mode():
        for _ in range(4):
            started = perf_counter()
            copy(choice.to_memory_format(example)).float().mean().item()
            taken.append(perf_counter() - started)
    return min(taken[1:])


def _ready(net: Net, choice: ExecutionConfig) -> Net:
    """A quick copy of the network, kept with it for the next picture, until a weight changes."""
    stamp = [(weight.data_ptr(), weight._version) for weight in net.module.parameters()]
    kept = net._cache.get(("restyle", choice))
    if kept is None or kept[0] != stamp:
        copy = inference_copy(
            net, net.example(), [], dtype=_dtype(choice), channels_last=choice.channels_last
        )
        kept = net._cache["restyle", choice] = stamp, copy
    return kept[1]


def _dtype(choice: ExecutionConfig) -> torch.dtype | None:
    return None if choice.precision == "fp32" else DTYPES[choice.precision]


def _brush(net: Net, mixture: Mapping[str, float], regions: Sequence[Region]) -> TilePainter:
    """What paints a part of the picture."""
    if isinstance(net.module, AdaIN):
        if regions or not mixture:
            raise _paintings_only(f"{len(mixture)} paintings, {len(regions)} regions")
        files = {file: share for file, share in mixture.items() if file != PLAIN}
        return AdaINStyle(net.module, [(share, _taken(net, file)) for file, share in files.items()])
    if isinstance(net.module, StyleBank):
        masks = [(np.asarray(region.mask.convert("L")), region.style) for region in regions]
        return StyleMix(net.module, dict(mixture), [(torch.from_numpy(m.copy()), name) for m, name in masks])
    if regions or list(mixture.values()) != [1.0] or PLAIN in mixture:
        raise UsageError(
            "one style, everywhere, in full",
            received=", ".join(f"{name}:{share:g}" for name, share in mixture.items()),
            hint=f"{net.name} is no StyleBank: it cannot mix styles, nor tell regions apart.",
        )
    return SingleStyle()


def _paintings_only(received: str) -> UsageError:
    return UsageError(
        "files of paintings, and no regions, for an AdaIN network",
        received=received,
        hint="For example: --style great_wave.jpg",
    )


def _taken(net: Net, file: str) -> tuple[Tensor, Tensor]:
    """Means and deviations of a painting's features, its longer side at most `PAINTING` pixels."""
    images = painting(file, PAINTING).to(net.device, net.dtype)
    module: Any = net.module
    return statistics(module.encode(*net.normalise(images)))
