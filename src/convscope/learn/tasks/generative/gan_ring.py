"""Training of generative adversarial networks on the ring of Gaussians, whose modes can be counted."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from typing_extensions import override

from convscope.errors import UsageError
from convscope.learn.batches.source import iter_batches
from convscope.learn.tasks.findings import Finding, NumberTable, Plot, Series, untranslated
from convscope.learn.tasks.generative.adversarial import (
    LOSSES,
    AdversarialTraining,
    adversarial_pair,
    generate,
    held_out_losses,
)
from convscope.learn.tasks.metrics import MetricSpec
from convscope.learn.tasks.task import EvalResult
from convscope.nets import Net, frozen
from convscope.nets.inference.execution import ExecutionConfig
from convscope.worlds import ring

SAMPLES = 10_000
"""Generated points that are counted."""
SHOWN = 1500
"""Most generated and most test points in the figure."""
WITHIN = 3.0
"""Standard deviations from the nearest centre up to which a point is of high quality."""
FOUND = 0.01
"""Share of all generated points, of high quality, from which a mode is found; its fair share is 1/8."""


@dataclass(frozen=True)
class ModeCounts:
    """Where generated points lie.

    Attributes:
        shares: share of all points that are within `WITHIN` standard deviations of each centre.
        test_shares: those of the test points.
    """

    shares: tuple[float, ...]
    test_shares: tuple[float, ...]

    @property
    def modes(self) -> int:
        """Number of centres that are found."""
        return sum(share >= FOUND for share in self.shares)

    @property
    def quality(self) -> float:
        """Share of the points that are near any centre."""
        return sum(self.shares)


class AdversarialRing(AdversarialTraining):
    """Train a generative adversarial network on the ring of Gaussians, and count the modes that it finds.

    Source: Metz, Poole, Pfau and Sohl-Dickstein 2016, Unrolled Generative Adversarial Networks,
        arXiv:1611.02163, section 3.1.
    """

    metric_specs = (
        *LOSSES,
        MetricSpec("modes", "modes", ".0f", higher_is_better=True, low=0, high=8, optional=True),
        MetricSpec("quality", "near a mode", ".1%", higher_is_better=True, low=0, high=1, optional=True),
    )
    primary_metric = "modes"

    @override
    def prepare(self, net: Net, data: Any, recipe: Any) -> Net:
        """Check that the network generates points, and that the data is the ring.

        Args:
            net: network to train.
            data: the ring, of which the centres are known.
            recipe: not used.

        Returns:
            The same network.

        Raises:
            UsageError: it is another network, or other data.
        """
        net = super().prepare(net, data, recipe)
        name = getattr(data, "name", type(data).__name__)
        if net.input_spec.shape != (2,) or not name.startswith("ring/"):
            raise UsageError(
                "a network of points in the plane, and the data ring, whose modes are known",
                received=f"{net.name} on {name}",
                hint="convscope train --recipe gan-ring",
            )
        return net

    @override
    def evaluate(self, net: Net, data: Any, execution: ExecutionConfig) -> EvalResult:
        """Count the modes that generated points are near to, in float32, from the same codes each time.

        Args:
            net: network to evaluate; left unchanged.
            data: points of the ring.
            execution: not used.

        Returns:
            The losses on test points, the number of modes and the share of points near one; as evidence and
            details `ModeCounts`.
        """
        generator = Generator().manual_seed(0)
        with torch.no_grad(), frozen(net.module):
            batches = [batch.inputs[0] for batch in iter_batches(data, net)]
            losses = held_out_losses(net, batches, generator)
            made = _points(net, SAMPLES, generator)
        found = ModeCounts(mode_shares(made), mode_shares(torch.cat(batches).cpu()))
        sentence = (
            f"{found.modes} of {len(found.shares)} modes are found: at least {FOUND:.0%} of {SAMPLES:,} "
            f"generated points lie within {WITHIN:g} standard deviations of them. So near to any mode lie "
            f"{found.quality:.1%}, of the test points {sum(found.test_shares):.1%}."
        )
        metrics = {**losses, "modes": float(found.modes), "quality": found.quality}
        return EvalResult(metrics, summary=(sentence,), details=asdict(found), evidence=found)

    @override
    def findings(self, net: Net, data: Any, tested: EvalResult) -> Sequence[Finding]:
        """Return generated points over test points, and the share of each mode.

        Args:
            net: the trained network.
            data: what it was tested on.
            tested: what `evaluate` returned.

        Returns:
            A plot and a table.
        """
        found = tested.evidence
        if not isinstance(found, ModeCounts):
            return ()
        with torch.no_grad(), frozen(net.module):
            made = _points(net, SHOWN, Generator().manual_seed(1))
        points = torch.cat([batch.inputs[0].cpu() for batch in iter_batches(data, net)])[:SHOWN]
        return (_plot(made, points, found), _table(found))


def mode_shares(points: Float[Tensor, "n 2"]) -> tuple[float, ...]:
    """Count the points that are near each centre of the ring.

    Args:
        points: points in the plane.

    Returns:
        Share of all points that lie within `WITHIN` standard deviations of each centre. Of points of the ring
        itself, `1 - exp(-WITHIN^2 / 2)` lie so near to any.
    """
    distances, modes = torch.cdist(points, ring.centres().to(points)).min(1)
    near = modes[distances <= WITHIN * ring.SIGMA]
    return tuple((near.bincount(minlength=ring.MODES).double() / len(points)).tolist())


def _points(net: Net, count: int, generator: Generator) -> Tensor:
    """Generate points, on the CPU."""
    codes = torch.randn(count, adversarial_pair(net).latent, generator=generator)
    return generate(net, codes.to(net.device)).cpu()


def _plot(made: Tensor, points: Tensor, found: ModeCounts) -> Plot:
    """Plot generated points over test points."""
    return Plot(
        {"en": "Generated points over the ring of Gaussians", "zh": "生成的点与高斯环"},
        (untranslated("x"), untranslated("y")),
        (
            Series({"en": "generated", "zh": "生成"}, made),
            Series({"en": "test points", "zh": "测试点"}, points),
        ),
        {
            "en": f"{found.modes} of {len(found.shares)} modes are found, and {found.quality:.1%} of the "
            "generated points are near one. What lies between is no point of the ring: a continuous "
            "generator joins what it covers. Another seed may find other modes.",
            "zh": f"找到 {len(found.shares)} 个模式中的 {found.modes} 个；"
            f"{found.quality:.1%} 的生成点在某个模式附近。"
            "模式之间的点不属于数据：连续的生成器会把它覆盖的部分连起来。换一个种子可能找到别的模式。",
        },
        square=True,
    )


def _table(found: ModeCounts) -> NumberTable:
    """Lay out the shares of the modes."""
    step = 360 // len(found.shares)
    rows = [
        (untranslated(f"{k * step}°"), (f"{ours:.1%}", f"{theirs:.1%}"))
        for k, (ours, theirs) in enumerate(zip(found.shares, found.test_shares, strict=True))
    ]
    return NumberTable(
        {"en": "Share of the points near each mode", "zh": "每个模式附近点的比例"},
        ({"en": "generated", "zh": "生成"}, {"en": "test points", "zh": "测试点"}),
        rows,
        {
            "en": f"Near: within {WITHIN:g} standard deviations of its centre. A mode is found from "
            f"{FOUND:.0%} of the generated points on.",
            "zh": f"“附近”指距中心不超过 {WITHIN:g} 个标准差。"
            f"生成点的 {FOUND:.0%} 以上在附近时，该模式算作被找到。",
        },
    )
