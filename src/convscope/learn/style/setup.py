"""Set up the training of a style network from names and files."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from convscope import nets
from convscope.errors import MissingError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.learn.style.adain_task import AdaINTask, fresh
from convscope.learn.style.perceptual import CONTENT, LOSS_NETWORK, STYLE, PerceptualLoss, frozen_copy
from convscope.learn.style.style_tasks import StyleBankTask, StyleLossWeights, StyleTransferTask
from convscope.nets import Net, Source
from convscope.nets.style.bank import MEAN, NAME, STD, StyleBank, StyleBankConfig
from convscope.nets.style.johnson import Johnson, Size
from convscope.worlds import UnlabelledImages
from convscope.worlds.images.style_images import SMALLEST, painting

SPEC = TensorSpec((3, 256, 256), mean=(MEAN,), std=(STD,), name="photo")
"""Input of style networks: RGB photographs in [0, 1], of any size."""
HELD_OUT, MOST_HELD_OUT = 20, 16
"""Every 20th photograph, but 16 at most, is held out for the test where no folder is given for that."""
PAPERS = {
    "stylebank": "Chen et al. 2017, arXiv:1703.09210",
    "johnson": "Johnson et al. 2016, arXiv:1603.08155",
    "adain": "Huang and Belongie 2017, arXiv:1703.06868",
}


@dataclass(frozen=True)
class StyleTrainingSetup:
    """Hold what the training of a style network needs beside its recipe.

    Attributes:
        net: network to train.
        task: losses and batches of the training.
        train: photographs to learn from.
        test: photographs to test on.
    """

    net: Net
    task: StyleTransferTask
    train: UnlabelledImages
    test: UnlabelledImages


@dataclass(frozen=True)
class PerceptualConfig:
    """Configure the perceptual loss.

    Attributes:
        network: name of the loss network.
        content: layer whose features are compared for content.
        style: layers whose Gram matrices are compared for style.
        untrained: whether a loss network without trained weights is accepted.
    """

    network: str = LOSS_NETWORK
    content: str = CONTENT
    style: tuple[str, ...] = STYLE
    untrained: bool = False
    paintings: int = 384
    """Longer side of the paintings, in pixels."""


def named(words: Sequence[str]) -> dict[str, str]:
    """Parse styles from `NAME=FILE`, or `FILE`, whose name without extension is then the style's.

    Args:
        words: arguments of the command line.

    Returns:
        The file of each style's painting, by name.

    Raises:
        UsageError: a name occurs twice, or there is no painting.
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, file = word.partition("=")
        if not equals or not NAME.fullmatch(name):
            name, file = _slug(Path(word).stem), word
        if name in found:
            raise UsageError(
                "a name of its own for each style",
                received=f"{name}, twice",
                hint=f"Name them: --style {name}-2={file}",
            )
        found[name] = file
    if not found:
        raise UsageError(
            "at least one painting", received="none", hint="For example: --style wave=great_wave.jpg"
        )
    return found


def setup_style_training(
    kind: str,
    photographs: str | Path,
    styles: Mapping[str, str],
    *,
    test: str | Path | None = None,
    scales: StyleLossWeights | None = None,
    judging: PerceptualConfig | None = None,
    seed: int = 0,
    width: int = 16,
) -> StyleTrainingSetup:
    """Build an untrained style network, and the task and data to train it.

    Args:
        kind: `stylebank`, `johnson` for a network of one style, `adain` for one of arbitrary styles.
        photographs: a folder; all pictures below it are learned from.
        styles: files of the paintings, by the names of their styles.
        test: a folder of other photographs; every 20th of `photographs` is held out where it is left out.
        scales: weights of the loss terms.
        judging: loss network and layers; not used for `adain`.
        seed: seed of the initial weights.
        width: channels of the feature maps at full resolution; not used for `adain`.

    Returns:
        Network, task, training and test photographs.

    Raises:
        UsageError: a kind, layer or name does not exist.
        MissingError: the loss network has no trained weights, and `judging.untrained` is not set.
        DataError: there are no photographs, or a painting cannot be used.
    """
    scales, names = scales or StyleLossWeights(), tuple(styles)
    if kind == "adain":
        return _setup_adain(photographs, styles, test, scales, seed)
    loss = perceptual_loss(judging or PerceptualConfig(), styles)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module, task = _build_network(kind, names, width, loss, scales)
    source = Source(kind, PAPERS[kind], "Apache-2.0; see the photographs' and paintings' own", "trained here")
    net = nets.wrap(module, SPEC, name=kind, source=replace(source, note=f"Styles: {', '.join(names)}."))
    return StyleTrainingSetup(net, task, *_split_photographs(photographs, test, scales.side))


def setup_added_style(
    net: Net,
    photographs: str | Path,
    styles: Mapping[str, str],
    *,
    test: str | Path | None = None,
    scales: StyleLossWeights | None = None,
    judging: PerceptualConfig | None = None,
) -> StyleTrainingSetup:
    """Add a bank for each new style to a StyleBank, and set up its training.

    Only the new banks are trained: encoder, decoder and the other banks are frozen, and there are no
    reconstruction steps. `net` itself is not changed.

    Args:
        net: a StyleBank.
        photographs: a folder; all pictures below it are learned from.
        styles: files of the paintings, by the names of the new styles.
        test: a folder of other photographs; every 20th of `photographs` is held out where it is left out.
        scales: weights of the loss terms; `alternation` is not used.
        judging: loss network and layers.

    Returns:
        The extended network, task, training and test photographs.

    Raises:
        UsageError: the network is no StyleBank, or has such a style already, or a layer does not exist.
        MissingError: the loss network has no trained weights, and `judging.untrained` is not set.
        DataError: there are no photographs, or a painting cannot be used.
    """
    bank = net.module
    if not isinstance(bank, StyleBank):
        raise UsageError("a StyleBank to add a style to", received=net.name)
    scales = scales or StyleLossWeights()
    for name in styles:
        if name in bank.styles:
            raise UsageError(
                "a name for the new style",
                received=f"{name}, which is there already",
                hint=f"Name it: --style {name}-2={styles[name]}",
            )
        bank = bank.with_style(name)
    bank.requires_grad_(False)
    for name in styles:
        bank.banks[name].requires_grad_(True)
    grown = nets.wrap(bank, net.input_specs, name=net.name, source=net.source)
    task = StyleBankTask(
        perceptual_loss(judging or PerceptualConfig(), styles), replace(scales, alternation=0), tuple(styles)
    )
    return StyleTrainingSetup(grown, task, *_split_photographs(photographs, test, scales.side))


def perceptual_loss(judging: PerceptualConfig, styles: Mapping[str, str]) -> PerceptualLoss:
    """Build the perceptual loss of some paintings.

    Args:
        judging: loss network, layers, and size of the paintings.
        styles: files of the paintings, by the names of their styles.

    Returns:
        The perceptual loss, with its network frozen; styles are numbered in the order of `styles`.

    Raises:
        UsageError: the network or a layer does not exist.
        MissingError: the network has no trained weights, and `judging.untrained` is not set.
        DataError: a painting cannot be used.
    """
    paintings = [painting(file, judging.paintings) for file in styles.values()]
    net = nets.load(judging.network, seed=0)
    if net.source.weights == "none" and not judging.untrained:
        raise MissingError(
            "a network that has learned to see, as a judge of style",
            received=f"{judging.network} with fresh weights",
            hint=f"{LOSS_NETWORK} ships with its weights. With --untrained, fresh ones may judge.",
        )
    return PerceptualLoss(frozen_copy(net), paintings, judging.content, judging.style)


def _setup_adain(
    photographs: str | Path,
    styles: Mapping[str, str],
    test: str | Path | None,
    scales: StyleLossWeights,
    seed: int,
) -> StyleTrainingSetup:
    """Set up the training of an AdaIN network."""
    train, held = _split_photographs(photographs, test, scales.side)
    paintings = UnlabelledImages.of(styles.values(), least=SMALLEST)
    net = fresh(train, seed)
    note = f"Encoder: {LOSS_NETWORK}. Learned on the styles of {len(styles)} paintings and of photographs."
    net.source = Source(
        "adain", PAPERS["adain"], "Apache-2.0; encoder: see hed-vgg16", "trained here", note=note
    )
    return StyleTrainingSetup(net, AdaINTask(paintings, scales), train, held)


def _build_network(
    kind: str, names: tuple[str, ...], width: int, loss: PerceptualLoss, scales: StyleLossWeights
) -> tuple[nn.Module, StyleTransferTask]:
    """Build an untrained StyleBank or Johnson network, and its task."""
    if kind == "stylebank":
        return StyleBank(StyleBankConfig(names, width)), StyleBankTask(loss, scales)
    if kind != "johnson":
        raise UsageError("stylebank, johnson or adain", received=kind)
    if len(names) != 1:
        raise UsageError(
            "one painting for a network of one style",
            received=", ".join(names),
            hint="--kind stylebank learns several.",
        )
    return Johnson(Size(names[0], width)), StyleTransferTask(loss, scales)


def _split_photographs(
    photographs: str | Path, test: str | Path | None, side: int
) -> tuple[UnlabelledImages, UnlabelledImages]:
    """Return the photographs to learn from and to test on; a single one serves for both."""
    found = UnlabelledImages(photographs)
    if test is not None:
        test_photographs = UnlabelledImages(test)
        return found, test_photographs.take(range(min(len(test_photographs), MOST_HELD_OUT)))
    held = range(0, len(found), HELD_OUT)[:MOST_HELD_OUT] if len(found) > 1 else range(1)
    kept = [index for index in range(len(found)) if index not in held or len(found) == 1]
    return found.take(kept), found.take(held)


def _slug(stem: str) -> str:
    """Make a style's name of a file's: lower case, digits and hyphens, beginning with a letter."""
    slug = re.sub(r"[^a-z0-9]+", "-", stem.lower()).lstrip("-0123456789")
    return slug[:40].strip("-") or "style"
