"""Set up the training of a style network from names and files."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from convscope import nets
from convscope.errors import UsageError
from convscope.graph.spec import TensorSpec
from convscope.learn.setup import TrainingSetup
from convscope.learn.style.adain_task import AdaINTask, fresh
from convscope.learn.style.perceptual import (
    LOSS_NETWORK,
    PerceptualConfig,
    PerceptualLoss,
    parse_styles,
    perceptual_loss,
)
from convscope.learn.style.recipe import StyleAddRecipe, StyleTrainingRecipe, StyleTrainRecipe
from convscope.learn.style.style_tasks import StyleBankTask, StyleLossWeights, StyleTransferTask
from convscope.nets import Net, Source, takes_network
from convscope.nets.style.bank import MEAN, STD, StyleBank, StyleBankConfig
from convscope.nets.style.johnson import Johnson, Size
from convscope.system.counting import counted
from convscope.worlds import UnlabelledImages
from convscope.worlds.images.datasets.style_images import SMALLEST, painting

SPEC = TensorSpec((3, 256, 256), mean=(MEAN,), std=(STD,), name="photo")
"""Input of style networks: RGB photographs in [0, 1], of any size."""
HELD_OUT, MOST_HELD_OUT = 20, 16
"""Every 20th photograph, but 16 at most, is held out for the test where no folder is given for that."""
PAPERS = {
    "stylebank": "Chen et al. 2017, arXiv:1703.09210",
    "johnson": "Johnson et al. 2016, arXiv:1603.08155",
    "adain": "Huang and Belongie 2017, arXiv:1703.06868",
}


def setup_from_recipe(recipe: StyleTrainingRecipe) -> TrainingSetup:
    """Set up the training that a recipe of `style train` or `style add` describes.

    Args:
        recipe: a `StyleTrainRecipe` or `StyleAddRecipe`.

    Returns:
        Network, task, training and test photographs.

    Raises:
        UsageError: no photographs are named, or something does not exist.
        MissingError: the loss network has no trained weights, and `untrained` is not set.
        DataError: there are no photographs, or a painting cannot be used.
    """
    if isinstance(recipe, StyleAddRecipe):
        photographs, build = recipe.photographs, partial(setup_added_style, nets.load(recipe.model))
    elif isinstance(recipe, StyleTrainRecipe):
        photographs = recipe.photographs
        build = partial(setup_style_training, recipe.task, seed=recipe.seed, width=recipe.width)
    else:
        raise UsageError(
            "a recipe of 'style train' or 'style add'",
            received=type(recipe).__name__,
            hint="Settings are made by the schemas StyleTrainRecipe and StyleAddRecipe.",
        )
    if not photographs:
        raise UsageError(
            "a folder of photographs to learn from",
            received="none",
            hint=f"For example: convscope {recipe.verb} photographs --style wave=great_wave.jpg",
        )
    found = build(
        photographs=photographs,
        styles=parse_styles(recipe.style),
        test=recipe.test,
        scales=StyleLossWeights.from_recipe(recipe),
        judging=PerceptualConfig.from_recipe(recipe),
    )
    unread = len(found.train.problems)
    note = f"{counted(unread, 'file')} could not be used, {len(found.train)} could."
    return replace(found, notes=(note,) if unread else ())


def setup_style_training(
    task: str,
    photographs: str | Path,
    styles: Mapping[str, str],
    *,
    test: str | Path | None = None,
    scales: StyleLossWeights | None = None,
    judging: PerceptualConfig | None = None,
    seed: int = 0,
    width: int = 16,
) -> TrainingSetup:
    """Build an untrained style network, and the task and data to train it.

    Args:
        task: `stylebank`, `johnson` for a network of one style, `adain` for one of arbitrary styles.
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
        UsageError: a task, layer or name does not exist.
        MissingError: the loss network has no trained weights, and `judging.untrained` is not set.
        DataError: there are no photographs, or a painting cannot be used.
    """
    scales, names, judging = scales or StyleLossWeights(), tuple(styles), judging or PerceptualConfig()
    if task == "adain":
        return _setup_adain(photographs, styles, test, scales, seed)
    loss = perceptual_loss(judging, styles)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module, built = _build_network(task, names, width, loss, scales)
    if isinstance(module, StyleBank):
        set_palettes(module, styles, judging.paintings)
    source = Source(task, PAPERS[task], "Apache-2.0; see the photographs' and paintings' own", "trained here")
    net = nets.wrap(module, SPEC, name=task, source=replace(source, note=f"Styles: {', '.join(names)}."))
    return TrainingSetup(net, built, *_split_photographs(photographs, test, scales.side))


@takes_network
def setup_added_style(
    net: Net,
    photographs: str | Path,
    styles: Mapping[str, str],
    *,
    test: str | Path | None = None,
    scales: StyleLossWeights | None = None,
    judging: PerceptualConfig | None = None,
) -> TrainingSetup:
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
        raise UsageError(
            "a StyleBank to add a style to",
            received=net.name,
            hint="Choose the folder of a StyleBank, such as a run of convscope style train.",
        )
    scales, judging = scales or StyleLossWeights(), judging or PerceptualConfig()
    for name in styles:
        if name in bank.styles:
            raise UsageError(
                "a name for the new style",
                received=f"{name}, which is there already",
                hint=f"Name it: --style {name}-2={styles[name]}",
            )
        bank = bank.with_style(name)
    set_palettes(bank, styles, judging.paintings)
    bank.requires_grad_(False)
    for name in styles:
        bank.banks[name].requires_grad_(True)
    grown = nets.wrap(bank, net.input_specs, name=net.name, source=net.source)
    task = StyleBankTask(perceptual_loss(judging, styles), replace(scales, alternation=0), tuple(styles))
    return TrainingSetup(grown, task, *_split_photographs(photographs, test, scales.side))


def set_palettes(bank: StyleBank, styles: Mapping[str, str], size: int) -> None:
    """Store the statistics of paintings' colours in a StyleBank, which paints with them once it is trained.

    Args:
        bank: changed in place.
        styles: files of the paintings, by the names of their styles.
        size: longer side in pixels to which paintings are reduced.
    """
    for name, file in styles.items():
        bank.set_palette(name, painting(file, size)[0])


def _setup_adain(
    photographs: str | Path,
    styles: Mapping[str, str],
    test: str | Path | None,
    scales: StyleLossWeights,
    seed: int,
) -> TrainingSetup:
    """Set up the training of an AdaIN network."""
    train, held = _split_photographs(photographs, test, scales.side)
    paintings = UnlabelledImages.of(styles.values(), least=SMALLEST)
    learned = counted(len(styles), "painting")
    note = f"Encoder: {LOSS_NETWORK}. Learned on the styles of {learned} and of photographs."
    source = Source("adain", PAPERS["adain"], "Apache-2.0; encoder: see hed-vgg16", "trained here", note=note)
    net = replace(fresh(train, seed), source=source)
    return TrainingSetup(net, AdaINTask(paintings, scales), train, held)


def _build_network(
    task: str, names: tuple[str, ...], width: int, loss: PerceptualLoss, scales: StyleLossWeights
) -> tuple[nn.Module, StyleTransferTask]:
    """Build an untrained StyleBank or Johnson network, and its task."""
    if task == "stylebank":
        return StyleBank(StyleBankConfig(names, width)), StyleBankTask(loss, scales)
    if task != "johnson":
        raise UsageError("stylebank, johnson or adain", received=task)
    if len(names) != 1:
        raise UsageError(
            "one painting for a network of one style",
            received=", ".join(names),
            hint="--task stylebank learns several.",
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
