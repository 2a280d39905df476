"""Tasks that train feed-forward style networks: Johnson et al. and StyleBank."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from convscope.errors import DataError, UsageError
from convscope.learn.style.crops import RandomCrops
from convscope.learn.style.perceptual import (
    PerceptualConfig,
    PerceptualLoss,
    parse_styles,
    perceptual_loss,
    range_penalty,
    roughness,
)
from convscope.learn.style.recipe import StyleAddRecipe, StyleTrainingRecipe, StyleTrainRecipe
from convscope.learn.tasks.metrics import MetricSpec, Table
from convscope.learn.tasks.task import EvalResult, StepOutput, Task
from convscope.learn.trainer.events import Epoch
from convscope.nets import Net, frozen
from convscope.nets.inference.autotune import Workload, fastest, network_facts, precisions
from convscope.nets.inference.execution import ExecutionConfig
from convscope.nets.style.bank import StyleBank
from convscope.worlds import Batch, UnlabelledImages

Images = Float[Tensor, "b 3 h w"]
OUTSIDE = 10.0
"""Weight of `range_penalty`, for colours that cannot be displayed."""


@dataclass(frozen=True)
class StyleLossWeights:
    """Hold the weights of the loss terms, and the settings of style training.

    Attributes:
        content: weight of the relative content distance (see `PerceptualLoss`).
        style: weight of the relative style distance.
        smooth: weight of the mean squared difference of neighbouring pixels.
        identity: weight of the squared reconstruction error without a style, in units of the variance of
            photographs.
    """

    content: float = 1.0
    style: float = 30.0
    smooth: float = 1.0
    identity: float = 20.0
    alternation: int = 2
    """Stylizing steps before each reconstruction step (without a style); 0 for no reconstruction steps."""
    warmup_steps: int = 300
    """Reconstruction steps at the beginning: they are cheap, and give the stylizing steps something to
    change."""
    side: int = 160
    """Side of the training crops, in pixels."""
    palette: float = 0.0
    """Weight of the relative distance between the colour covariances of image and painting."""

    @classmethod
    def from_recipe(cls, recipe: StyleTrainingRecipe) -> "StyleLossWeights":
        """Return the weights and settings of a recipe.

        Args:
            recipe: settings; those of `style add` have no reconstruction steps.

        Returns:
            The weights and settings.
        """
        content, style, smooth = recipe.content_weight, recipe.style_weight, recipe.smooth_weight
        if not isinstance(recipe, StyleTrainRecipe):
            return cls(content, style, smooth, alternation=0, side=recipe.side)
        return cls(
            content,
            style,
            smooth,
            recipe.identity_weight,
            recipe.alternation,
            recipe.prelude,
            recipe.side,
        )

    def paints(self, step: int) -> bool:
        """Return whether a step stylizes; the others reconstruct the photographs.

        Args:
            step: step of the training, from 0.

        Returns:
            False during the warm-up, and at every `alternation + 1`st step.
        """
        every = self.alternation
        return not every or (step >= self.warmup_steps and step % (every + 1) != every)


class StyleTransferTask(Task):
    """Train a feed-forward style network with the losses of Johnson et al. 2016.

    Args:
        judge: perceptual loss that holds the paintings.
        scales: weights of the loss terms.
    """

    metric_sums = 6
    """Sums of loss, content, style, smoothness, reconstruction error, and number of stylized images."""

    metric_specs = (
        MetricSpec("loss", form=".3f"),
        MetricSpec("content", "content off", ".1%", optional=True),
        MetricSpec("style", "style off", ".1%", optional=True),
        MetricSpec("smooth", "roughness", optional=True),
        MetricSpec("psnr", "identity dB", ".1f", higher_is_better=True, optional=True),
    )

    def __init__(self, judge: PerceptualLoss, scales: StyleLossWeights | None = None) -> None:
        self.judge, self.scales = judge, scales or StyleLossWeights()

    @classmethod
    @override
    def from_recipe(cls, recipe: StyleTrainingRecipe) -> Self:
        loss = perceptual_loss(PerceptualConfig.from_recipe(recipe), parse_styles(recipe.style))
        return cls(loss, StyleLossWeights.from_recipe(recipe))

    def make_batches(self, net: Net, data: Any, recipe: Any) -> RandomCrops:
        """Check that there is a painting for each style of the network, and build the batch source.

        The loss network is moved to the device of `net`.

        Args:
            net: style network to train.
            data: photographs, an `UnlabelledImages`.
            recipe: recipe with batch size and seed.

        Returns:
            Random crops of the photographs.

        Raises:
            UsageError: the network has another number of styles than there are paintings.
            DataError: `data` is something else.
        """
        if not isinstance(data, UnlabelledImages):
            raise DataError(
                "UnlabelledImages to learn from",
                received=type(data).__name__,
                hint="Open them: UnlabelledImages(folder)",
            )
        styles = self.styles(net)
        paintings = len(next(iter(self.judge.grams.values())))
        if len(styles) != paintings:
            raise UsageError(
                f"a painting for each of {', '.join(styles)}",
                received=f"{paintings} paintings",
                hint="Give as many paintings as the network has styles, in the same order.",
            )
        self.judge.net.to(net.device)
        return RandomCrops(
            data, len(styles), batch=recipe.batch, side=self.scales.side, seed=recipe.seed, device=net.device
        )

    def styles(self, net: Net) -> tuple[str, ...]:
        """Return the names of the styles that are trained.

        Args:
            net: style network.

        Returns:
            One name for each painting, in the same order.

        Raises:
            UsageError: the network has no styles.
        """
        styles = getattr(net.module, "styles", None)
        if not styles:
            raise UsageError(
                "a network that paints",
                received=net.name,
                hint="Choose one that paints: stylebank, adain, or a run of convscope style train.",
            )
        return tuple(styles)

    def choose_execution(self, net: Net, recipe: Any, example: Callable[[], Batch]) -> ExecutionConfig:
        """Choose bf16 where a step is faster with it, else fp32.

        Both are measured once for the network's sizes and the machine, and the execution is cached. What the
        recipe fixes is kept. Weights are channels-last unless the recipe asks for contiguous ones.

        Args:
            net: style network to train.
            recipe: recipe with `precision`, `memory_format` and `batch`.
            example: not used: a stylizing step on random images is timed, since the first steps of a training
                may be reconstructions, which are cheap.

        Returns:
            The precision and memory format.
        """
        layout = "contiguous" if recipe.memory_format == "contiguous" else "channels_last"
        every = precisions(net.device) if recipe.precision == "auto" else (recipe.precision,)
        candidates = [ExecutionConfig(precision, layout) for precision in every]
        facts = [
            "train style",
            *network_facts(net),
            self._loss_network_name(),
            self.scales.side,
            recipe.batch,
        ]
        return fastest(
            Workload(facts, net.device, lambda one: self._step(net, recipe.batch, one)), candidates
        )

    def training_step(self, net: Net, batch: Batch, execution: ExecutionConfig, step: int) -> StepOutput:
        """Compute the loss of a batch by stylizing it.

        Args:
            net: style network.
            batch: crops `[b 3 side side]` in [0, 1], with style indices `[b]` as targets.
            execution: precision and memory format.
            step: step of the training, from 0; not used.

        Returns:
            Loss and sums of the batch.
        """
        return self.priced(net, batch, execution)

    def priced(self, net: Net, batch: Batch, execution: ExecutionConfig) -> StepOutput:
        """Stylize a batch and compute its loss.

        Args:
            net: style network.
            batch: crops `[b 3 side side]` in [0, 1], with style indices `[b]` as targets.
            execution: precision and memory format.

        Returns:
            Loss and sums of the batch.
        """
        photographs, styles = batch.inputs[0], batch.targets
        with execution.autocast(photographs.device):
            painted = self.paint(net, execution.to_memory_format(photographs), styles)
        return self._stylized_cost(painted.float(), photographs, styles, execution)

    def paint(self, net: Net, photographs: Images, styles: Int64[Tensor, " b"]) -> Images:
        """Stylize photographs.

        Args:
            net: style network.
            photographs: `[b 3 h w]` in [0, 1].
            styles: index of each one's style, `[b]`; not used by a network of one style.

        Returns:
            Stylized photographs `[b 3 h w]`, in [0, 1] but not clipped.
        """
        return net(photographs)

    def _stylized_cost(
        self, painted: Images, photographs: Images, styles: Int64[Tensor, " b"], execution: ExecutionConfig
    ) -> StepOutput:
        """Compute the loss of stylized photographs."""
        scales, distances = self.scales, self.judge.judge(painted, photographs, styles, execution)
        smooth = roughness(painted)
        loss = scales.content * distances.content + scales.style * distances.style + scales.smooth * smooth
        loss = loss + OUTSIDE * range_penalty(painted)
        if scales.palette:
            loss = loss + scales.palette * self.judge.palette_of(painted, styles)
        error, stylized = torch.zeros_like(smooth), torch.ones_like(smooth)
        parts = [loss, distances.content, distances.style, smooth, error, stylized]
        return StepOutput(loss.mean(), torch.stack([part.detach().sum() for part in parts]))

    def metrics(self, sums: Sequence[float], seen: int) -> dict[str, float]:
        """Compute the metrics of an epoch from its sums.

        Args:
            sums: as `metric_sums` lists them.
            seen: number of images, stylized and reconstructed.

        Returns:
            `loss`, the mean over all images; `content`, `style` and `smooth`, means over the stylized
            ones; and `psnr` in decibels, of the reconstructed ones. What was not measured is left out.
        """
        loss, content, style, smooth, error, painted = sums
        found = {"loss": loss / max(seen, 1)}
        if painted:
            parts = (("content", content), ("style", style), ("smooth", smooth))
            found |= {name: total / painted for name, total in parts}
        if seen > painted:
            found["psnr"] = decibels(error / (seen - painted))
        return found

    def commands(self, folder: str, recipe: Any) -> Sequence[str]:
        """Return the command that paints a photograph.

        Args:
            folder: the run's folder, quoted for a shell.
            recipe: not used.

        Returns:
            One command each.
        """
        return (f"convscope style apply PHOTO --model {folder}",)

    def evaluate(self, net: Net, data: Any, execution: ExecutionConfig) -> EvalResult:
        """Stylize the centre crop of each photograph in each style.

        Args:
            net: style network; left unchanged.
            data: photographs, an `UnlabelledImages`.
            execution: precision and memory format.

        Returns:
            Metrics, and the style that is furthest from its painting.
        """
        names, totals, identity_errors = self.styles(net), [], []
        with torch.no_grad(), frozen(net.module):
            for start in range(0, len(data), 4):
                indices = range(start, min(start + 4, len(data)))
                squares = data.middles(indices, self.scales.side).to(net.device).float() / 255
                for style in range(len(names)):
                    styles = torch.full((len(squares),), style, device=net.device)
                    cost = self.priced(net, Batch((squares,), styles), execution)
                    totals.append((style, cost.sums.double().cpu()))
                identity_errors.append(self.identity_error(net, squares, execution))
        sums = torch.stack([row for _, row in totals]).sum(0).tolist()
        found = self.metrics(sums, int(sums[-1]))
        if identity_errors[0] is not None:
            found["psnr"] = decibels(
                float(torch.cat([row for row in identity_errors if row is not None]).mean())
            )
        distances = [
            sum(float(row[2]) for style, row in totals if style == index) for index in range(len(names))
        ]
        furthest = max(range(len(names)), key=lambda index: distances[index])
        share = distances[furthest] / len(data)
        return EvalResult(found, f"furthest from its painting: {names[furthest]} ({share:.2f})")

    @override
    def table(self, epochs: Sequence[Epoch]) -> Table:
        """Lay out the epochs as a table: distances on the test photographs, else in the training steps."""
        _loss, content, style, _smooth, psnr = self.metric_specs
        heads = (
            "epoch",
            "loss",
            *(spec.heading for spec in (content, style, psnr)),
            "squares/s",
            "seconds",
            "",
        )
        rows = [
            (
                str(epoch.index),
                self.primary.text(epoch.metrics),
                *(spec.text(epoch.test_metrics or epoch.metrics) for spec in (content, style, psnr)),
                f"{epoch.samples_per_second:.1f}",
                f"{epoch.seconds:.0f}",
                epoch.worst,
            )
            for epoch in epochs
        ]
        return Table(heads, tuple(rows))

    def identity_error(
        self, net: Net, squares: Images, execution: ExecutionConfig
    ) -> Float[Tensor, " b"] | None:
        """Compute the reconstruction error of the branch without a style, where there is one.

        Args:
            net: style network.
            squares: crops `[b 3 h w]` in [0, 1].
            execution: precision and memory format.

        Returns:
            Mean squared errors `[b]`; None here, as the network has no such branch.
        """
        return None

    def _step(self, net: Net, batch: int, execution: ExecutionConfig) -> Callable[[], bool]:
        """Return one forward and backward pass; it returns whether the loss is finite."""
        example = self._example(net, batch)
        execution.format(net.module)

        def step() -> bool:
            cost = self.priced(net, example, execution)
            cost.loss.backward()
            net.module.zero_grad()
            return math.isfinite(cost.loss.item())

        return step

    def _example(self, net: Net, batch: int) -> Batch:
        """Return a random batch, the same at every call."""
        side = self.scales.side
        squares = torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(0))
        styles = torch.arange(batch, device=net.device) % len(self.styles(net))
        return Batch((squares.to(net.device),), styles)

    def _loss_network_name(self) -> str:
        """Return the name of the loss network, for the cache key."""
        return self.judge.net.name


class StyleBankTask(StyleTransferTask):
    """Train a StyleBank: T stylizing steps, then one reconstruction step without a bank, alternating.

    A stylizing step updates encoder, decoder and the banks of its styles; a reconstruction step updates
    encoder and decoder only. Frozen parameters (`requires_grad` False) stay: a new bank is trained with
    frozen encoder and decoder.

    Source: Chen et al. 2017, section 3.4 (T = 2, as in the implementation at github.com/jxcodetw/Stylebank).

    Args:
        judge: perceptual loss that holds the paintings of the trained styles.
        scales: weights of the loss terms; `alternation` is T.
        taught: names of the banks to train; all if left out.

    Attributes:
        corner: offset of the current batch in the banks' grain textures, row and column.
    """

    def __init__(
        self, judge: PerceptualLoss, scales: StyleLossWeights | None = None, taught: Sequence[str] = ()
    ) -> None:
        super().__init__(judge, scales)
        self.taught = tuple(taught)
        self.corner = 0, 0

    @classmethod
    @override
    def from_recipe(cls, recipe: StyleTrainingRecipe) -> Self:
        styles = parse_styles(recipe.style)
        loss = perceptual_loss(PerceptualConfig.from_recipe(recipe), styles)
        taught = tuple(styles) if isinstance(recipe, StyleAddRecipe) else ()
        return cls(loss, StyleLossWeights.from_recipe(recipe), taught)

    def styles(self, net: Net) -> tuple[str, ...]:
        """Return the names of the banks that are trained.

        Args:
            net: StyleBank.

        Returns:
            Names in the order of the paintings.
        """
        return self.taught or super().styles(net)

    def training_step(self, net: Net, batch: Batch, execution: ExecutionConfig, step: int) -> StepOutput:
        """Compute the loss of a batch: stylized, or reconstructed at every T+1st step.

        Args:
            net: StyleBank.
            batch: crops `[b 3 side side]` in [0, 1], with style indices `[b]` as targets.
            execution: precision and memory format.
            step: step of the training, from 0; decides which, and the offset in the grain.

        Returns:
            Loss and sums; for a reconstruction, also the parameters to update.
        """
        if self.scales.paints(step):
            self.corner = STRIDE[0] * step, STRIDE[1] * step
            return self.priced(net, batch, execution)
        moved = [weight for weight in _require_bank(net).shared() if weight.requires_grad]
        return reconstruction_cost(self.identity_error(net, batch.inputs[0], execution), self.scales, moved)

    def evaluate(self, net: Net, data: Any, execution: ExecutionConfig) -> EvalResult:
        """Stylize the centre crop of each photograph in each style, and reconstruct it without a bank.

        Args:
            net: StyleBank; left unchanged.
            data: photographs, an `UnlabelledImages`.
            execution: precision and memory format.

        Returns:
            Metrics, and the style that is furthest from its painting.
        """
        self.corner = 0, 0
        return super().evaluate(net, data, execution)

    def paint(self, net: Net, photographs: Images, styles: Int64[Tensor, " b"]) -> Images:
        """Stylize each photograph with its style's bank.

        Args:
            net: StyleBank.
            photographs: `[b 3 h w]` in [0, 1].
            styles: indices `[b]` into the trained styles.

        Returns:
            Stylized photographs `[b 3 h w]`, in [0, 1] but not clipped.
        """
        bank = _require_bank(net)
        places = torch.tensor([bank.styles.index(name) for name in self.styles(net)], device=styles.device)
        rows = functional.one_hot(places[styles], len(bank.styles)).to(photographs.dtype)
        return bank(net.normalise(photographs)[0], rows, None, self.corner)

    def identity_error(self, net: Net, squares: Images, execution: ExecutionConfig) -> Float[Tensor, " b"]:
        """Compute the reconstruction error of the branch without a bank.

        Args:
            net: StyleBank.
            squares: crops `[b 3 h w]` in [0, 1].
            execution: precision and memory format.

        Returns:
            Mean squared errors `[b]`.
        """
        with execution.autocast(squares.device):
            decoded = _require_bank(net).identity(*net.normalise(execution.to_memory_format(squares)))
        return (decoded.float() - squares).square().flatten(1).mean(1)


def reconstruction_cost(
    error: Float[Tensor, " b"], scales: StyleLossWeights, moved: Sequence[nn.Parameter] | None = None
) -> StepOutput:
    """Compute the loss of a reconstruction step: its squared error alone.

    Args:
        error: mean squared error of each image, `[b]`.
        scales: its `identity` is the weight of the error, in units of `VARIANCE`.
        moved: the only parameters to update; None for all that the error depends on.

    Returns:
        Loss and sums of the batch.
    """
    loss, zero = scales.identity * error / VARIANCE, torch.zeros_like(error)
    sums = torch.stack([part.detach().sum() for part in (loss, zero, zero, zero, error, zero)])
    return StepOutput(loss.mean(), sums, moved)


STRIDE = (11, 17)
"""Offset in the grain textures from step to step, in rows and columns, so that all of them are trained."""
VARIANCE = 0.0625
"""Approximate variance of photographs in [0, 1]."""


def decibels(error: float) -> float:
    """Convert a mean squared error to the peak signal-to-noise ratio.

    Args:
        error: mean squared error of values in [0, 1].

    Returns:
        PSNR in decibels; 120 at most.
    """
    return -10 * math.log10(max(error, 1e-12))


def _require_bank(net: Net) -> StyleBank:
    if not isinstance(net.module, StyleBank):
        raise UsageError(
            "a StyleBank", received=net.name, hint="Take the one that ships: convscope.load('stylebank')"
        )
    return net.module
