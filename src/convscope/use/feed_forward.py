"""Stylize photographs with a trained feed-forward style network."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor

from convscope.errors import UsageError, nearest
from convscope.nets import Net, takes_network
from convscope.nets.inference.autotune import Workload, fastest, network_facts, precisions
from convscope.nets.inference.execution import ExecutionConfig, Precision
from convscope.nets.inference.inference_copy import inference_copy
from convscope.nets.style.adain import AdaIN, Style, style_of
from convscope.nets.style.bank import PLAIN, StyleBank
from convscope.nets.style.palette import photo_statistics
from convscope.recipe import in_bytes, real_number
from convscope.use.tiled import AdaINStyle, SingleStyle, StyleMix, TilePainter, stylize_tiled
from convscope.worlds import InputLike, open_mask
from convscope.worlds.images import photos
from convscope.worlds.images.datasets.style_images import painting
from convscope.worlds.images.world import as_photo

MEMORY = "1GiB"
"""Default limit of the memory for a photograph."""
PAINTING = 512
"""Longer side, in pixels, to which a painting is reduced before its style is computed."""
MOST_WEIGHT = 10.0
"""Largest weight of a style."""
MUCH = 3.0
"""Sum of weights above which a remark is due: 2.2 is all that a StyleBank learned, and most of what is beyond
is clipped to the range of values."""
TRIAL = 256
"""Side of the image on which precisions are timed."""


@dataclass(frozen=True)
class Region:
    """Assign a style to a part of an image.

    Attributes:
        mask: what `worlds.open_mask` takes, scaled to the photograph; white where the style applies in full.
        style: name of the style.
    """

    mask: InputLike
    style: str


@takes_network
def stylize(
    net: Net,
    photo: InputLike,
    mixture: Mapping[str, float] | InputLike | None = None,
    *,
    size: int | None = None,
    regions: Sequence[Region] = (),
    memory: str = MEMORY,
    choice: ExecutionConfig | None = None,
) -> Image.Image:
    """Stylize a photograph, by default at its own size.

    For example: `stylize("stylebank", "me.jpg", {"great-wave": 0.5, "scream": 0.5})`

    Args:
        net: a style network, or its name, such as `stylebank`.
        photo: a path, an opened image, an array or a tensor (values in [0, 1]).
        mixture: one style, or the weight of each, 0 to 10; what is missing from a sum of 1 is the weight of
            the photograph itself, negative above 1. The first style alone if left out. For an AdaIN network
            one painting, likewise given, or the weights of files of paintings, and `photo` for the photograph
            itself.
        size: longer side of the result in pixels; the photograph's own if left out.
        regions: styles of parts of the image; later ones cover earlier ones, and all of them cover `mixture`.
        memory: limit of the memory to work in, as in `1GB`; larger photographs are computed in tiles.
        choice: precision and memory format; measured if left out.

    Returns:
        The stylized photograph, RGB.

    Raises:
        UsageError: the network is no style network, lacks a style, or cannot mix styles or apply regions, or
            a weight is not from 0 to 10.
        DataError: a picture cannot be read, a painting is too small, or a mask has other proportions than the
            photograph.
    """
    shares = _shares(net, mixture)
    photo = photos.resized_to(as_photo(photo), size)
    choice = choice or choose_execution(net)
    fast_net = _inference_net(net, choice)
    with torch.inference_mode():
        pixels = photos.to_uint8(photo)
        painter = _painter_for(fast_net, shares, regions, pixels)
        painted = stylize_tiled(fast_net, pixels, painter, in_bytes(memory) or in_bytes(MEMORY))
    return Image.fromarray(painted.permute(1, 2, 0).numpy())


def _shares(net: Net, mixture: Mapping[str, float] | InputLike | None) -> list[tuple[Any, float]]:
    """Return each style with its weight: names, or for an AdaIN network paintings."""
    given = (
        list(mixture.items()) if isinstance(mixture, Mapping) else [] if mixture is None else [(mixture, 1.0)]
    )
    for name, share in given:
        if not 0 <= share <= MOST_WEIGHT:
            raise _weight_error(f"{share:g} for {name}")
    if isinstance(net.module, AdaIN):
        return given
    styles = styles_of(net)
    return [(style_named(str(name), styles), share) for name, share in given] or [(styles[0], 1.0)]


@takes_network
def styles_of(net: Net) -> tuple[str, ...]:
    """Return the names of a network's styles.

    Args:
        net: a style network.

    Returns:
        The names, in the network's order.

    Raises:
        UsageError: the network has none.
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
    """Find a style by its name, or by a part of it that no other style contains: `wave` for `great-wave`.

    Args:
        name: name or part of it; `photo` stands for the photograph itself.
        styles: names of the network's styles.

    Returns:
        The full name.

    Raises:
        UsageError: there is none, or several.
    """
    names = (*styles, PLAIN)
    if name in names:
        return name
    found = [style for style in names if name and name.lower() in style]
    if len(found) != 1:
        hint = nearest(name, found or names)
        raise UsageError("the name of one style", received=name or "nothing", hint=hint)
    return found[0]


def mixture_of(words: Sequence[str], styles: Sequence[str]) -> dict[str, float]:
    """Parse a mixture of styles from `NAME` or `NAME:WEIGHT`.

    Those without a weight share equally what the others leave of 1.

    Args:
        words: arguments of the command line.
        styles: names of the network's styles.

    Returns:
        Weights by style.

    Raises:
        UsageError: a name is unknown or occurs twice, a weight is no number from 0 to 10, or nothing of 1 is
            left for a style without a weight.
    """
    given: dict[str, float | None] = {}
    for word in words:
        match = re.fullmatch(r"([^:]*)(?::([^:]*))?", word)
        name = style_named(match[1] if match else word, styles)
        if name in given:
            raise UsageError(
                "each style once",
                received=f"{name}, twice",
                hint="Add up the weights of both, and name it once.",
            )
        given[name] = None if match is None or match[2] is None else _parse_weight(match[2], word)
    return _fill_weights(given)


def paintings_of(words: Sequence[str]) -> dict[str, float]:
    """Parse a mixture of paintings from `FILE` or `FILE:WEIGHT`, for a network of arbitrary styles.

    Those without a weight share equally what the others leave of 1.

    Args:
        words: arguments of the command line; `photo` stands for the photograph itself.

    Returns:
        Weights by file.

    Raises:
        UsageError: a weight is no number from 0 to 10, a file occurs twice, a word is the name of a style, or
            nothing of 1 is left for a painting without a weight.
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
        has_weight = bool(colon) and not _is_file(word)
        name = file if has_weight else word
        if name in given:
            raise UsageError("each painting once", received=f"{name}, twice", hint="Name it once.")
        given[name] = _parse_weight(weight, word) if has_weight else None
    return _fill_weights(given)


def is_painting(word: str) -> bool:
    """Return whether an argument for a style is a file, and not the name of a style.

    It is one if it has an extension that begins with a letter, or exists. `photo` is none, even where such a
    file exists: it stands for the photograph itself.

    Args:
        word: `FILE`, `FILE:WEIGHT`, `NAME` or `NAME:WEIGHT`.

    Returns:
        True for a file.
    """
    if word.partition(":")[0] == PLAIN:
        return False
    names = word, word.rpartition(":")[0]
    return any(Path(name).suffix[1:2].isalpha() or _is_file(name) for name in names)


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _fill_weights(given: Mapping[str, float | None]) -> dict[str, float]:
    """Give styles without a weight equal shares of what the others leave of 1."""
    unweighted = [name for name, weight in given.items() if weight is None]
    remaining = 1 - sum(weight for weight in given.values() if weight is not None)
    if unweighted and remaining < 0:
        raise UsageError(
            f"weights up to 1 beside {', '.join(unweighted)}, which has what they leave of 1",
            received=f"{1 - remaining:g}",
            hint=f"Say how much: {unweighted[0]}:0.5.",
        )
    return {name: remaining / len(unweighted) if weight is None else weight for name, weight in given.items()}


def _parse_weight(text: str, word: str) -> float:
    value = real_number(text)
    if value is None or not 0 <= value <= MOST_WEIGHT:
        raise _weight_error(word)
    return value


def _weight_error(received: str) -> UsageError:
    return UsageError(
        f"a weight from 0 to {MOST_WEIGHT:g} after the colon, as in wave:0.7",
        received=received,
        hint="What is missing from 1 is the photograph itself; above 1 there is less of it.",
    )


def remark_on_weights(mixture: Mapping[str, float]) -> dict[str, str] | None:
    """Return a remark on weights far above what a network learned.

    Args:
        mixture: weight of each style.

    Returns:
        The remark in English and Chinese, by `en` and `zh`; None where the weights add up to `MUCH` at most.
    """
    total = sum(share for name, share in mixture.items() if name != PLAIN)
    if total <= MUCH:
        return None
    return {
        "en": f"Weights of {total:g} in all go far beyond what was learned: colours leave the range and are "
        "clipped. Up to about 2 there is more of the style.",
        "zh": f"权重之和为 {total:g}，远超网络学到的程度：颜色会超出范围而被截断。约 2 以内风格会更强。",
    }


@takes_network
def regions_of(net: Net, words: Sequence[str]) -> list[Region]:
    """Parse regions from `FILE:NAME`.

    Args:
        net: a style network.
        words: arguments of the command line; later regions cover earlier ones.

    Returns:
        The regions, in the same order.

    Raises:
        UsageError: the network takes no regions, a word has another form, or a style is unknown.
        DataError: a file is no picture.
    """
    if words and isinstance(net.module, AdaIN):
        raise _paintings_only_error(f"--mask {words[0]}")
    return [region_of(word, styles_of(net)) for word in words]


def region_of(word: str, styles: Sequence[str]) -> Region:
    """Parse a region from `FILE:NAME`.

    Args:
        word: file of the mask, a colon, and the name of the style.
        styles: names of the network's styles.

    Returns:
        The region, its mask opened.

    Raises:
        UsageError: the word has another form, or the style is unknown.
        DataError: the file is no picture.
    """
    file, colon, name = word.rpartition(":")
    if not colon or not file:
        raise UsageError("a mask as FILE:NAME", received=word, hint="For example: --mask sky.png:wave")
    return Region(photos.open_photo(Path(file)), style_named(name, styles))


@takes_network
def choose_execution(net: Net, precision: Literal["auto"] | Precision = "auto") -> ExecutionConfig:
    """Choose bf16 where a network is faster with it on this machine, else fp32; both channels-last.

    They are timed once for the network and the machine, and the choice is cached. On `mps` it is fp32 and
    contiguous.

    Args:
        net: a style network; left unchanged.
        precision: `fp32` or `bf16`, which is then used; `auto` for the faster one.

    Returns:
        The precision and memory format.
    """
    every = precisions(net.device) if precision == "auto" else (precision,)
    layout = "contiguous" if net.device.type == "mps" else "channels_last"
    candidates = [ExecutionConfig(one, layout) for one in every]
    facts = ["stylize", *network_facts(net), TRIAL]
    return fastest(Workload(facts, net.device, lambda config: _pass(net, config)), candidates)


def _pass(net: Net, config: ExecutionConfig) -> Callable[[], bool]:
    """Return one pass of an inference copy over an image of `TRIAL` pixels."""
    example = torch.full((1, 3, TRIAL, TRIAL), 0.5, device=net.device)
    copy = inference_copy(net, example, [], config)

    def run() -> bool:
        with torch.inference_mode():
            return isfinite(copy(config.to_memory_format(example)).float().mean().item())

    return run


def _inference_net(net: Net, choice: ExecutionConfig) -> Net:
    """Return an inference copy of the network, cached with it until a weight or a palette changes."""
    weights = [(weight.data_ptr(), weight._version) for weight in net.module.parameters()]
    versions = weights, getattr(net.module, "form", None)
    copies: dict[ExecutionConfig, tuple[Any, Net]] = net.cache("copies for stylize", dict)
    if choice not in copies or copies[choice][0] != versions:
        copies[choice] = versions, inference_copy(net, net.example(), [], choice)
    return copies[choice][1]


def _painter_for(
    net: Net, shares: Sequence[tuple[Any, float]], regions: Sequence[Region], photo: Tensor
) -> TilePainter:
    """Build what stylizes one tile: by the kind of the network, with its mixture and regions."""
    if isinstance(net.module, AdaIN):
        if regions or not shares:
            raise _paintings_only_error(f"{len(shares)} paintings, {len(regions)} regions")
        paintings = [(one, share) for one, share in shares if not (isinstance(one, str) and one == PLAIN)]
        return AdaINStyle(net.module, [(share, _painting_style(net, one)) for one, share in paintings])
    mixture = dict(shares)
    if isinstance(net.module, StyleBank):
        size = int(photo.shape[1]), int(photo.shape[2])
        masks = [(_mask(region, size), region.style) for region in regions]
        return StyleMix(net.module, mixture, masks, net.module.colour_maps(photo_statistics(photo)))
    if regions or list(mixture.values()) != [1.0] or PLAIN in mixture:
        raise UsageError(
            "one style, everywhere, in full",
            received=", ".join(f"{name}:{share:g}" for name, share in mixture.items()),
            hint=f"{net.name} is no StyleBank: it cannot mix styles, nor tell regions apart.",
        )
    return SingleStyle()


def _mask(region: Region, size: tuple[int, int]) -> Tensor:
    """Return a region's mask as bytes, which has the proportions of the image's height and width."""
    mask = open_mask(region.mask)
    photos.require_same_aspect((mask.shape[0], mask.shape[1]), size, "a mask")
    return (mask * 255).round().byte()


def _paintings_only_error(received: str) -> UsageError:
    return UsageError(
        "files of paintings, and no regions, for an AdaIN network",
        received=received,
        hint="For example: --style great_wave.jpg",
    )


def _painting_style(net: Net, file: InputLike) -> Style:
    """Compute what an AdaIN network takes from a painting."""
    images = painting(file, PAINTING).to(net.device, net.dtype)
    module: Any = net.module
    return style_of(module.encode(*net.normalise(images)))
