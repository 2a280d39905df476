"""Train AdaIN: its decoder learns to invert features whose statistics were exchanged."""

from collections.abc import Iterator
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn import functional
from typing_extensions import override

from convscope import nets
from convscope.errors import DataError, UsageError
from convscope.learn.style.crops import RandomCrops
from convscope.learn.style.perceptual import (
    LOSS_NETWORK,
    TINY,
    frozen_copy,
    parse_styles,
    range_penalty,
    roughness,
)
from convscope.learn.style.style_tasks import (
    OUTSIDE,
    StyleLossWeights,
    StyleTransferTask,
    decibels,
    reconstruction_cost,
)
from convscope.learn.tasks.task import EvalResult, StepOutput
from convscope.nets import Net, frozen, record
from convscope.nets.activations.address import LayerAddress
from convscope.nets.inference.execution import ExecutionConfig
from convscope.nets.style.adain import AdaIN, mean_and_deviation, statistics
from convscope.nets.zoo.adain import ADAIN, BLOCKS
from convscope.worlds import Batch, UnlabelledImages
from convscope.worlds.images.datasets.style_images import SMALLEST

Images = Float[Tensor, "_ 3 _ _"]
HALF_SIZE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
"""Layers of `hed-vgg16` in which styles are compared too, on images of half the size: there a layer sees
structures twice as large, and the last sees more than the encoder does."""
EVERY = 3
"""One of so many style crops is of a photograph, the others are of paintings."""


class ContentStylePairs(RandomCrops):
    """Yield random crops of photographs, each with a crop of a painting.

    The channels of the style crops are permuted at random, and one in four is inverted.

    Args:
        photographs: content images; some of the styles are taken from them too, see `EVERY`.
        paintings: style images.
        recipe: recipe with batch size and seed.
        side: side of a crop, in pixels.
        device: where batches are moved.
    """

    def __init__(
        self, photographs: UnlabelledImages, paintings: UnlabelledImages, recipe: Any, side: int, device: Any
    ):
        super().__init__(photographs, 1, batch=recipe.batch, side=side, seed=recipe.seed, device=device)
        self.paintings = paintings

    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        """Yield the batches of one epoch.

        Args:
            epoch: index of the epoch, from 0.
            skip: number of batches to leave out at the beginning.

        Yields:
            Content crops, with style crops as targets, each `[b 3 side side]` in [0, 1], on the device.
        """
        for step, crops in enumerate(super().batches(epoch, skip), start=skip):
            generator = self._generator("styles", epoch, step)
            style_crops = [self._style_crop(step * self.batch + row, generator) for row in range(crops.size)]
            yield Batch(crops.inputs, torch.stack(style_crops).to(self.device).float() / 255)

    def _style_crop(self, number: int, generator: Generator) -> Tensor:
        source = self.photographs if number % EVERY == 0 else self.paintings
        index = int(torch.randint(len(source), (1,), generator=generator))
        square = source.squares([index], self.side, generator)[0]
        square = square[torch.randperm(3, generator=generator)]
        return 255 - square if int(torch.randint(4, (1,), generator=generator)) == 0 else square


class AdaINTask(StyleTransferTask):
    """Train an AdaIN network with the losses of Huang and Belongie 2017, equations 11 to 13.

    Each loss is relative to the size of what is compared. Between the stylizing steps come reconstruction
    steps, pixel by pixel, which the paper does not have.

    Args:
        paintings: style images.
        scales: weights of the loss terms.
    """

    def __init__(self, paintings: UnlabelledImages, scales: StyleLossWeights | None = None) -> None:
        self.paintings, self.scales = paintings, scales or StyleLossWeights(style=4.0)
        self.loss_net = frozen_copy(nets.load(LOSS_NETWORK))

    @classmethod
    @override
    def from_recipe(cls, recipe: Any) -> Self:
        paintings = UnlabelledImages.of(parse_styles(recipe.style).values(), least=SMALLEST)
        return cls(paintings, StyleLossWeights.from_recipe(recipe))

    def make_batches(self, net: Net, data: Any, recipe: Any) -> ContentStylePairs:
        """Check that the network is an AdaIN, and build the batch source.

        Args:
            net: AdaIN network to train.
            data: photographs, an `UnlabelledImages`.
            recipe: recipe with batch size and seed.

        Returns:
            Pairs of crops of photographs and paintings.

        Raises:
            UsageError: the network is no AdaIN.
            DataError: `data` is something else.
        """
        _require_adain(net)
        if not isinstance(data, UnlabelledImages):
            raise DataError(
                "UnlabelledImages to learn from",
                received=type(data).__name__,
                hint="Open them: UnlabelledImages(folder)",
            )
        return ContentStylePairs(data, self.paintings, recipe, self.scales.side, net.device)

    def styles(self, net: Net) -> tuple[str, ...]:
        """Return a placeholder name: an AdaIN network has no styles of its own.

        Args:
            net: not used.

        Returns:
            `("any",)`.
        """
        return ("any",)

    def training_step(self, net: Net, batch: Batch, execution: ExecutionConfig, step: int) -> StepOutput:
        """Compute the loss of a batch: stylized, or reconstructed at every T+1st step.

        Args:
            net: AdaIN network.
            batch: content crops, with style crops as targets, each `[b 3 side side]` in [0, 1].
            execution: precision and memory format.
            step: step of the training, from 0; decides which, see `StyleLossWeights.paints`.

        Returns:
            Loss and sums of the batch.
        """
        if self.scales.paints(step):
            return self.priced(net, batch, execution)
        return reconstruction_cost(self.identity_error(net, batch.inputs[0], execution), self.scales)

    def identity_error(self, net: Net, squares: Images, execution: ExecutionConfig) -> Float[Tensor, " b"]:
        """Compute the reconstruction error of photographs decoded from their own features.

        Args:
            net: AdaIN network.
            squares: crops `[b 3 h w]` in [0, 1].
            execution: precision and memory format.

        Returns:
            Mean squared errors `[b]`; gradients flow to the decoder only.
        """
        module = _require_adain(net)
        with execution.autocast(squares.device):
            with torch.no_grad():
                features = module.encode(*net.normalise(execution.to_memory_format(squares)))
            decoded = module.decode(features)
        return _mean_per_image((decoded.float() - squares).square())

    def priced(self, net: Net, batch: Batch, execution: ExecutionConfig) -> StepOutput:
        """Stylize a batch and compute its loss.

        Encode the photographs, exchange their feature statistics for the paintings', decode, encode the
        result again, and compare its features with the exchanged ones (content) and its statistics with the
        paintings' (style).

        Args:
            net: AdaIN network.
            batch: content crops, with style crops as targets, each `[b 3 h w]` in [0, 1].
            execution: precision and memory format.

        Returns:
            Loss and sums of the batch.
        """
        photographs, paintings = batch.inputs[0], batch.targets
        module, scales = _require_adain(net), self.scales
        with execution.autocast(photographs.device), torch.no_grad():
            features = module.encode(*net.normalise(execution.to_memory_format(photographs)))
            wanted = self._style_levels(net, paintings, execution)
        with torch.no_grad():  # covariances and their roots are not for bf16
            target = module.exchange(features.float(), statistics(wanted[0].float()))
        with execution.autocast(photographs.device):
            painted = module.decode(target).float()
            levels = self._style_levels(net, painted, execution)
        content = _mean_per_image(functional.mse_loss(levels[0].float(), target, reduction="none"))
        content = content / (_mean_per_image(target.square()) + TINY)
        style = torch.stack([_style_distance(a, w) for a, w in zip(levels, wanted, strict=True)]).mean(0)
        rough = roughness(painted)
        loss = scales.content * content + scales.style * style + scales.smooth * rough
        loss = loss + OUTSIDE * range_penalty(painted)
        parts = [loss, content, style, rough, torch.zeros_like(rough), torch.ones_like(rough)]
        return StepOutput(loss.mean(), torch.stack([part.detach().sum() for part in parts]))

    def _style_levels(self, net: Net, images: Images, execution: ExecutionConfig) -> list[Tensor]:
        """Return the features that define style: the encoder's, the last first, and those at half size."""
        fine = _require_adain(net).levels(*net.normalise(execution.to_memory_format(images)))
        half = execution.to_memory_format(functional.avg_pool2d(images, 2))
        coarse = record(self.loss_net.to(net.device), half, [LayerAddress(name) for name in HALF_SIZE_LAYERS])
        return [*reversed(fine), *coarse.values()]

    def evaluate(self, net: Net, data: Any, execution: ExecutionConfig) -> EvalResult:
        """Stylize the centre crop of each photograph with that of a painting; the paintings take turns.

        Args:
            net: AdaIN network; left unchanged.
            data: photographs, an `UnlabelledImages`.
            execution: precision and memory format.

        Returns:
            Means of the losses over the photographs, and `psnr` of their reconstruction in decibels.
        """
        sums, error = torch.zeros(self.metric_sums, dtype=torch.float64), 0.0
        with torch.no_grad(), frozen(net.module):
            for index in range(len(data)):
                crop = data.middles([index], self.scales.side).to(net.device).float() / 255
                other = self.paintings.middles([index % len(self.paintings)], self.scales.side)
                cost = self.priced(net, Batch((crop,), other.to(net.device).float() / 255), execution)
                sums += cost.sums.double().cpu()
                error += float(self.identity_error(net, crop, execution)) / len(data)
        return EvalResult({**self.metrics(sums.tolist(), len(data)), "psnr": decibels(error)})

    def _example(self, net: Net, batch: int) -> Batch:
        side = self.scales.side
        example = torch.rand(2 * batch, 3, side, side, generator=torch.Generator().manual_seed(0))
        first, second = example.to(net.device).split(batch)
        return Batch((first,), second)

    def _loss_network_name(self) -> str:
        return LOSS_NETWORK


def fresh(photographs: UnlabelledImages, seed: int) -> Net:
    """Build an AdaIN network with the encoder's weights of `hed-vgg16` and an untrained decoder.

    The encoder's last convolution is scaled so that its features have a mean square of about 1 on
    photographs.

    Args:
        photographs: the first 8 decide the scale.
        seed: seed of the decoder's initial weights.

    Returns:
        The network.

    Raises:
        UsageError: `hed-vgg16` lacks a weight of the encoder.
    """
    pretrained = nets.load(LOSS_NETWORK)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = AdaIN(BLOCKS)
    weights = pretrained.module.state_dict()
    encoder_state = module.encoder.state_dict()
    module.encoder.load_state_dict({name: weights[_pretrained_name(name, weights)] for name in encoder_state})
    net = nets.wrap(module, ADAIN.input_spec, name="adain")
    images = photographs.middles(range(min(8, len(photographs))), 128).float() / 255
    with torch.no_grad():
        scale = float(module.encoder(*net.normalise(images)).square().mean().sqrt())
        for weight in module.encoder[-2].parameters():
            weight /= scale
    return net


def _pretrained_name(name: str, source: dict[str, Tensor]) -> str:
    """Find the pretrained network's name of a weight such as `conv1_1.weight`, whatever its prefix."""
    found = [other for other in source if other == name or other.endswith(f".{name}")]
    if len(found) != 1:
        raise UsageError(
            f"{LOSS_NETWORK} with a {name}",
            received=", ".join(source),
            hint="Load the network with its own weights: convscope.load('hed-vgg16')",
        )
    return found[0]


def _require_adain(net: Net) -> AdaIN:
    if not isinstance(net.module, AdaIN):
        raise UsageError(
            "an AdaIN network", received=net.name, hint="Take the one that ships: convscope.load('adain')"
        )
    return net.module


def _mean_per_image(values: Tensor) -> Tensor:
    """Return the mean over all axes but the first."""
    return values.flatten(1).mean(1)


def _style_distance(here: Tensor, wanted: Tensor) -> Tensor:
    """Compute the squared distance of means and deviations, relative to the sum of their squares, `[b]`."""
    one, other = (torch.cat(mean_and_deviation(maps), 1) for maps in (here, wanted))
    scale = _mean_per_image(one.square()) + _mean_per_image(other.square()) + TINY
    return _mean_per_image((one - other).square()) / scale
