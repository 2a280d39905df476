"""Teaching a network to paint: the tasks that `convscope.learn` trains with.

They fit the protocol `convscope.learn.Task` by what they can do; nothing here knows how a training runs.
"""

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from convscope.errors import DataError, UsageError
from convscope.learn.style.crops import RandomCrops
from convscope.learn.style.perceptual import PerceptualLoss, range_penalty, roughness
from convscope.nets import Net, frozen
from convscope.nets.inference.execution import ExecutionConfig, kept_choice, processor, store
from convscope.nets.style.bank import StyleBank
from convscope.worlds import UnlabelledImages

Images = Float[Tensor, "b 3 h w"]
OUTSIDE = 10.0
"""Weight of colours that cannot be shown."""
WORTH = 1.05
"""How much faster bf16 must be."""


@dataclass(frozen=True)
class StyleLossWeights:
    """How much each wish counts, and how it is trained.

    `content` and `style` weigh shares of what there would be to lose (see `PerceptualLoss`), `smooth` the
    squared
    differences of neighbours, `identity` the squared error of the branch without a bank, in units of the
    photographs' variance, `palette` the share by which colours vary otherwise than in the painting.
    """

    content: float = 1.0
    style: float = 30.0
    smooth: float = 1.0
    identity: float = 20.0
    alternation: int = 2
    """Steps of painting before each step of the branch without a bank; 0 for none."""
    warmup_steps: int = 300
    """Steps of that branch alone at the beginning: they are cheap, and give painting something to change."""
    side: int = 160
    """Pixels of the squares."""
    palette: float = 0.0

    def paints(self, step: int) -> bool:
        """Whether this step paints; the others only give photographs back."""
        every = self.alternation
        return not every or (step >= self.warmup_steps and step % (every + 1) != every)


@dataclass(frozen=True)
class StyleStep:
    """What a batch costs; see `convscope.learn.tasks.task.StepCost`."""

    loss: Tensor
    sums: Tensor
    weights: Sequence[nn.Parameter] | None = None


@dataclass(frozen=True)
class StyleEval:
    """How a network paints photographs that it did not learn from."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    worst: str = ""


class StyleTransferTask:
    """The task of a network that paints with one pass: the losses of Johnson et al. 2016.

    Args:
        judge: says how far a painted photograph is from its content and its painting.
        scales: how much each wish counts.
    """

    metric_sums = 6
    """Loss, content, style, smoothness, squared error of the identity; pictures painted."""

    def __init__(self, judge: PerceptualLoss, scales: StyleLossWeights | None = None) -> None:
        self.judge, self.scales = judge, scales or StyleLossWeights()

    def make_batches(self, net: Net, data: Any, plan: Any) -> RandomCrops:
        """Check that the network paints these styles, and cut squares.

        Raises:
            UsageError: the network has another number of styles than there are paintings.
            DataError: there is nothing to learn from.
        """
        if not isinstance(data, UnlabelledImages):
            raise DataError("UnlabelledImages to learn from", received=type(data).__name__)
        styles = self.styles(net)
        there = len(next(iter(self.judge.grams.values())))
        if len(styles) != there:
            raise UsageError(f"a painting for each of {', '.join(styles)}", received=f"{there} paintings")
        self.judge.net.to(net.device)
        return RandomCrops(
            data, len(styles), batch=plan.batch, side=self.scales.side, seed=plan.seed, device=net.device
        )

    def styles(self, net: Net) -> tuple[str, ...]:
        """Names of what is taught.

        Raises:
            UsageError: the network does not paint.
        """
        styles = getattr(net.module, "styles", None)
        if not styles:
            raise UsageError("a network that paints", received=net.name)
        return tuple(styles)

    def execution(self, net: Net, plan: Any) -> ExecutionConfig:
        """bf16 where a step is faster with it; measured once for a machine and sizes."""
        last = plan.memory_format != "contiguous"
        if plan.precision != "auto":
            return ExecutionConfig(plan.precision, last)
        candidates = [ExecutionConfig("fp32", last), ExecutionConfig("bf16", last)]
        if net.device.type == "mps":
            return candidates[0]
        key = self._key(net, plan)
        kept = kept_choice(key, candidates)
        if kept is not None:
            return kept
        plain, mixed = (self._seconds(net, plan.batch, choice) for choice in candidates)
        best = candidates[1] if mixed * WORTH < plain else candidates[0]
        store(key, asdict(best))
        return best

    def training_step(
        self, net: Net, batch: tuple[Tensor, Tensor], choice: ExecutionConfig, step: int
    ) -> StyleStep:
        """Paint, and compare."""
        return self.priced(net, batch, choice)

    def priced(self, net: Net, batch: tuple[Tensor, Tensor], choice: ExecutionConfig) -> StyleStep:
        """What painting a batch costs."""
        photographs, styles = batch
        with choice.autocast(photographs.device):
            painted = self.paint(net, choice.to_memory_format(photographs), styles)
        return self._judged(painted.float(), photographs, styles, choice)

    def paint(self, net: Net, photographs: Images, styles: Int64[Tensor, " b"]) -> Images:
        """Each photograph in its style."""
        return net(photographs)

    def _judged(
        self, painted: Images, photographs: Images, styles: Int64[Tensor, " b"], choice: ExecutionConfig
    ) -> StyleStep:
        """What painted photographs cost."""
        scales, verdict = self.scales, self.judge.judge(painted, photographs, styles, choice)
        rough = roughness(painted)
        loss = scales.content * verdict.content + scales.style * verdict.style + scales.smooth * rough
        loss = loss + OUTSIDE * range_penalty(painted)
        if scales.palette:
            loss = loss + scales.palette * self.judge.palette_of(painted, styles)
        parts = [loss, verdict.content, verdict.style, rough, torch.zeros_like(rough), torch.ones_like(rough)]
        return StyleStep(loss.mean(), torch.stack([part.detach().sum() for part in parts]))

    def metrics(self, sums: Sequence[float], seen: int) -> dict[str, float]:
        """Means over the pictures that were painted; the error of the identity over the others."""
        loss, content, style, smooth, error, painted = sums
        found = {"loss": loss / max(seen, 1)}
        if painted:
            parts = (("content", content), ("style", style), ("smooth", smooth))
            found |= {name: total / painted for name, total in parts}
        if seen > painted:
            found["psnr"] = decibels(error / (seen - painted))
        return found

    def evaluate(self, net: Net, data: Any, choice: ExecutionConfig) -> StyleEval:
        """Paint each photograph's middle in each style."""
        names, totals, perfect = self.styles(net), [], []
        with torch.no_grad(), frozen(net.module):
            for start in range(0, len(data), 4):
                indices = range(start, min(start + 4, len(data)))
                squares = data.middles(indices, self.scales.side).to(net.device).float() / 255
                for style in range(len(names)):
                    wanted = torch.full((len(squares),), style, device=net.device)
                    price = self.priced(net, (squares, wanted), choice)
                    totals.append((style, price.sums.double().cpu()))
                perfect.append(self.identity_error(net, squares, choice))
        sums = torch.stack([row for _, row in totals]).sum(0).tolist()
        found = self.metrics(sums, int(sums[-1]))
        if perfect[0] is not None:
            found["psnr"] = decibels(float(torch.cat([row for row in perfect if row is not None]).mean()))
        each = [sum(float(row[2]) for style, row in totals if style == index) for index in range(len(names))]
        furthest = max(range(len(names)), key=lambda index: each[index])
        share = each[furthest] / len(data)
        return StyleEval(found, f"furthest from its painting: {names[furthest]} ({share:.2f})")

    def identity_error(
        self, net: Net, squares: Images, choice: ExecutionConfig
    ) -> Float[Tensor, " b"] | None:
        """Mean squared error of the branch without a bank, if there is one."""
        return None

    def _seconds(self, net: Net, batch: int, choice: ExecutionConfig) -> float:
        example = self._example(net, batch)
        choice.format(net.module)
        least = math.inf
        for _ in range(3):
            started = time.perf_counter()
            price = self.priced(net, example, choice)
            price.loss.backward()
            net.module.zero_grad()
            finite = math.isfinite(price.loss.item())
            least = min(least, time.perf_counter() - started if finite else math.inf)
        return least

    def _example(self, net: Net, batch: int) -> tuple[Tensor, Tensor]:
        side = self.scales.side
        squares = torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(0))
        return squares.to(net.device), torch.arange(batch, device=net.device) % len(self.styles(net))

    def _judged_by(self) -> str:
        return self.judge.net.name

    def _key(self, net: Net, plan: Any) -> str:
        facts = (
            type(net.module).__name__,
            net.module.options,
            self._judged_by(),
            self.scales.side,
            plan.batch,
            plan.memory_format,
            processor(net.device),
            torch.get_num_threads(),
            torch.__version__,
        )
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


class StyleBankTask(StyleTransferTask):
    """The task of a StyleBank: T steps of painting, then one of the branch without a bank, and so on.

    A step of painting moves encoder, decoder and the banks of its styles; the other moves encoder and decoder
    only. What does not learn (`requires_grad`) stays: a new bank is taught to a frozen encoder and decoder.

    Source: Chen et al. 2017, section 3.4 (T = 2, as in the implementation at github.com/jxcodetw/Stylebank).

    Args:
        judge: knows the paintings of the styles that are taught.
        scales: how much each wish counts.
        taught: names of the banks that learn; all if left out.
    """

    def __init__(
        self, judge: PerceptualLoss, scales: StyleLossWeights | None = None, taught: Sequence[str] = ()
    ) -> None:
        super().__init__(judge, scales)
        self.taught = tuple(taught)
        self.corner = 0, 0

    def styles(self, net: Net) -> tuple[str, ...]:
        """Names of the banks that learn."""
        return self.taught or super().styles(net)

    def training_step(
        self, net: Net, batch: tuple[Tensor, Tensor], choice: ExecutionConfig, step: int
    ) -> StyleStep:
        """Paint, or at every T+1st step go through without a bank."""
        if self.scales.paints(step):
            self.corner = STRIDE[0] * step, STRIDE[1] * step
            return self.priced(net, batch, choice)
        moved = [weight for weight in _bank(net).shared() if weight.requires_grad]
        return reconstruction_cost(self.identity_error(net, batch[0], choice), self.scales, moved)

    def evaluate(self, net: Net, data: Any, choice: ExecutionConfig) -> StyleEval:
        """Paint each photograph's middle in each style; and the branch without a bank."""
        self.corner = 0, 0
        return super().evaluate(net, data, choice)

    def paint(self, net: Net, photographs: Images, styles: Int64[Tensor, " b"]) -> Images:
        """Each photograph through its style's bank."""
        bank = _bank(net)
        places = torch.tensor([bank.styles.index(name) for name in self.styles(net)], device=styles.device)
        rows = functional.one_hot(places[styles], len(bank.styles)).to(photographs.dtype)
        return bank(net.normalise(photographs)[0], rows, None, self.corner)

    def identity_error(self, net: Net, squares: Images, choice: ExecutionConfig) -> Float[Tensor, " b"]:
        """Mean squared error of the branch without a bank, of values in [0, 1]."""
        with choice.autocast(squares.device):
            again = _bank(net).identity(*net.normalise(choice.to_memory_format(squares)))
        return (again.float() - squares).square().flatten(1).mean(1)


def reconstruction_cost(
    error: Float[Tensor, " b"], scales: StyleLossWeights, moved: Sequence[nn.Parameter] | None = None
) -> StyleStep:
    """What a batch costs that was not painted: its squared error alone."""
    loss, zero = scales.identity * error / VARIANCE, torch.zeros_like(error)
    sums = torch.stack([part.detach().sum() for part in (loss, zero, zero, zero, error, zero)])
    return StyleStep(loss.mean(), sums, moved)


STRIDE = (11, 17)
"""How far a step goes over the grain, so that all of it is seen."""
VARIANCE = 0.0625
"""Of photographs in [0, 1], about."""


def decibels(error: float) -> float:
    """Peak signal to noise ratio of a mean squared error of values in [0, 1]."""
    return -10 * math.log10(max(error, 1e-12))


def _bank(net: Net) -> StyleBank:
    if not isinstance(net.module, StyleBank):
        raise UsageError("a StyleBank", received=net.name)
    return net.module
