"""Approximation of a function by networks of one hidden layer: how the error falls with their width."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from convscope.errors import UsageError
from convscope.learn.batches.source import iter_batches
from convscope.learn.tasks.findings import Finding, NumberTable, Plot, Series, untranslated
from convscope.learn.tasks.metrics import MetricSpec
from convscope.learn.tasks.task import EvalResult, StepOutput, Task
from convscope.nets import Net, frozen
from convscope.nets.inference.execution import ExecutionConfig
from convscope.nets.modules.shallow import OneHiddenLayer, OneHiddenLayers
from convscope.worlds import Batch, sine

DRAWN = 200
"""Points of each curve in the figure of the functions."""


@dataclass(frozen=True)
class ApproximationErrors:
    """Largest absolute errors on points between those that were learned from.

    Attributes:
        widths: hidden units of the networks.
        bound: `h^2 max|f''| / 8` for segments of the length h, for each width.
        constructed: of the interpolation itself, in closed form.
        trained: of the networks that were trained from the interpolation on.
        random: of those that were trained from random weights on.
        polynomial: of those with a polynomial activation.
        polynomial_rms: root mean square errors of these.
        best_rms: that of the best polynomial of their degree on the same points: none can be below it.
        degree: their degree.
    """

    widths: tuple[int, ...]
    bound: tuple[float, ...]
    constructed: tuple[float, ...]
    trained: tuple[float, ...]
    random: tuple[float, ...]
    polynomial: tuple[float, ...]
    polynomial_rms: tuple[float, ...]
    best_rms: float
    degree: int


class Approximation(Task):
    """Train networks of one hidden layer on values of a function, all of them at once.

    Each network has its own mean squared error, and the loss is their sum: none shares anything with another.

    Source: Cybenko 1989, Approximation by Superpositions of a Sigmoidal Function; Leshno, Lin, Pinkus and
        Schocken 1993, Multilayer Feedforward Networks with a Nonpolynomial Activation Function Can
        Approximate Any Function, for the polynomial.
    """

    metric_specs = (
        MetricSpec("loss", form=".2e"),
        MetricSpec("error", "max error", ".5f", optional=True),
        MetricSpec("ratio", "error ratio", ".2f", higher_is_better=True, optional=True),
    )
    primary_metric = "error"

    @override
    def prepare(self, net: Net, data: Any, recipe: Any) -> Net:
        """Set the networks that start at an interpolation, where that has not been done.

        Args:
            net: networks of one hidden layer; output weights that are all 0 are set, in place.
            data: the function `sine`, whose second derivative is known.
            recipe: not used.

        Returns:
            The same network.

        Raises:
            UsageError: it is another network, or other data.
        """
        name = getattr(data, "name", type(data).__name__)
        if not isinstance(net.module, OneHiddenLayers) or not name.startswith("sine/"):
            raise UsageError(
                "networks of one hidden layer, and the data sine, whose curvature is known",
                received=f"{net.name} on {name}",
                hint="convscope train --recipe universal-approximation",
            )
        for network in net.module.unset():
            network.interpolate(knot_values(network.hidden.out_features).to(net.device))
        return net

    @override
    def training_step(self, net: Net, batch: Batch, execution: ExecutionConfig, step: int) -> StepOutput:
        """Compute the sum of the mean squared errors of all networks.

        Args:
            net: networks to train.
            batch: places with the function's values as targets `[b 1]`.
            execution: precision of the forward pass.
            step: step of the training, from 0; not used.

        Returns:
            The loss, and its sum over the batch.
        """
        with execution.autocast(batch.device):
            values = net(batch.inputs[0]).float()
        loss = (values - batch.targets).square().mean(0).sum()
        return StepOutput(loss, loss.detach()[None] * batch.size)

    @override
    def evaluate(self, net: Net, data: Any, execution: ExecutionConfig) -> EvalResult:
        """Measure the errors of all networks, in float32, on points between those that were learned from.

        Args:
            net: networks to evaluate; left unchanged.
            data: places with the function's values.
            execution: not used.

        Returns:
            The loss, the largest error of the widest network that was trained from the interpolation on, and
            the factor by which the error fell where the width doubled; as evidence and details
            `ApproximationErrors`.
        """
        module = _networks(net)
        with torch.no_grad(), frozen(net.module):
            batches = list(iter_batches(data, net))
            places = torch.cat([batch.inputs[0] for batch in batches])
            expected = torch.cat([batch.targets for batch in batches]).double()
            errors = net(places).double() - expected
        found = _errors(module, places.cpu(), expected.cpu(), errors.cpu())
        ratio = mean_ratio(found.trained)
        sentence = (
            f"Where the width doubles, the largest error falls by {mean_ratio(found.constructed):.2f} for "
            f"the interpolation, by {ratio:.2f} after training from it, and by "
            f"{mean_ratio(found.random):.2f} for networks trained from random weights. "
            f"With powers of degree {found.degree} it stays at {found.polynomial[-1]:.3f}, however wide."
        )
        metrics = {"loss": float(errors.square().mean(0).sum()), "error": found.trained[-1], "ratio": ratio}
        return EvalResult(metrics, summary=(sentence,), details=asdict(found), evidence=found)

    @override
    def findings(self, net: Net, data: Any, tested: EvalResult) -> Sequence[Finding]:
        """Return the errors over the width, the functions of some networks, and the numbers.

        Args:
            net: the trained networks.
            data: not used.
            tested: what `evaluate` returned.

        Returns:
            Two plots and a table.
        """
        found = tested.evidence
        if not isinstance(found, ApproximationErrors):
            return ()
        return (_error_plot(found), _function_plot(net, found), _table(found))


def knot_values(width: int) -> Float[Tensor, " knots"]:
    """Compute the function's values at the ends of equal segments of [0, 1].

    Args:
        width: number of segments.

    Returns:
        `width + 1` values.
    """
    return sine.value(torch.arange(width + 1, dtype=torch.float64) / width).float()


def mean_ratio(errors: Sequence[float]) -> float:
    """Compute the geometric mean of the factors by which errors fall from one width to the next.

    Args:
        errors: errors by width.

    Returns:
        The factor; NaN for a single width.
    """
    if len(errors) < 2:
        return math.nan
    return (errors[0] / errors[-1]) ** (1 / (len(errors) - 1))


def best_polynomial_rms(places: Float[Tensor, "n 1"], values: Float[Tensor, "n 1"], degree: int) -> float:
    """Compute the root mean square error of the best polynomial on some points, by least squares.

    Args:
        places: points.
        values: the function there.
        degree: degree of the polynomial.

    Returns:
        The error, below which no polynomial of that degree comes on these points.
    """
    x, y = places[:, 0].double().numpy(), values[:, 0].double().numpy()
    fitted = np.polynomial.Polynomial.fit(x, y, degree)
    return float(np.sqrt(np.mean((fitted(x) - y) ** 2)))


def _networks(net: Net) -> OneHiddenLayers:
    """Return the module, which `prepare` has checked."""
    if not isinstance(net.module, OneHiddenLayers):
        raise UsageError(
            "networks of one hidden layer",
            received=net.name,
            hint="Choose networks of two dense layers with an activation between them.",
        )
    return net.module


def _errors(module: OneHiddenLayers, places: Tensor, expected: Tensor, errors: Tensor) -> ApproximationErrors:
    """Collect the errors of all kinds and widths."""
    largest = errors.abs().max(0).values.tolist()
    rms = errors.square().mean(0).sqrt().tolist()
    count = len(module.widths)
    trained, random, polynomial = (tuple(largest[k * count : (k + 1) * count]) for k in range(3))
    constructed = []
    for width in module.widths:
        network = OneHiddenLayer(width, nn.ReLU())
        network.interpolate(knot_values(width))
        with torch.no_grad():
            constructed.append(float((network(places).double() - expected).abs().max()))
    return ApproximationErrors(
        module.widths,
        tuple(sine.CURVATURE / (8 * width**2) for width in module.widths),
        tuple(constructed),
        trained,
        random,
        polynomial,
        tuple(rms[2 * count :]),
        best_polynomial_rms(places, expected, module.degree),
        module.degree,
    )


_KINDS: dict[str, Mapping[str, str]] = {
    "constructed": {"en": "interpolation, in closed form", "zh": "插值（闭式构造）"},
    "trained": {"en": "trained from it", "zh": "从插值开始训练"},
    "random": {"en": "trained from random weights", "zh": "从随机权重开始训练"},
    "polynomial": {"en": "polynomial activation", "zh": "多项式激活函数"},
}
"""Names of the kinds of networks, as `ApproximationErrors` has them."""
_HEADS: Sequence[Mapping[str, str]] = (
    {"en": "bound", "zh": "上界"},
    {"en": "interpolated", "zh": "插值"},
    {"en": "trained", "zh": "训练"},
    {"en": "random", "zh": "随机"},
    {"en": "polynomial", "zh": "多项式"},
)
"""Heads of the table: the bound, and short names of the kinds."""


def _error_plot(found: ApproximationErrors) -> Plot:
    """Plot the errors over the width."""
    errors: Mapping[str, tuple[float, ...]] = {kind: getattr(found, kind) for kind in _KINDS}
    series = [
        Series(_KINDS[kind], torch.tensor([*zip(found.widths, values, strict=True)]), joined=True)
        for kind, values in errors.items()
    ]
    return Plot(
        {"en": "Largest error over the number of hidden units", "zh": "最大误差与隐藏单元数"},
        ({"en": "hidden units", "zh": "隐藏单元数"}, {"en": "largest error", "zh": "最大误差"}),
        series,
        {
            "en": "Both axes are logarithmic. The error of the interpolation falls by 4 where the number of "
            "knots doubles. That such weights exist does not mean that training finds them: compare the "
            "networks that start at random. With a polynomial activation the network is a polynomial of that "
            "degree, whatever its width.",
            "zh": "两轴均为对数刻度。结点数加倍时，插值的误差降为四分之一。"
            "存在这样的权重，并不意味着训练能找到它们："
            "请与从随机权重开始的网络比较。若激活函数是多项式，无论多宽，网络都只是该次数的多项式。",
        },
        logarithmic=True,
    )


def _function_plot(net: Net, found: ApproximationErrors) -> Plot:
    """Plot the function and the networks that show the idea: a narrow interpolation, a wide polynomial."""
    module, x = _networks(net), torch.linspace(0, 1, DRAWN)[:, None]
    narrow = OneHiddenLayer(found.widths[0], nn.ReLU())
    narrow.interpolate(knot_values(found.widths[0]))
    with torch.no_grad():
        polynomial = module.polynomial[-1](x.to(net.device)).cpu()
        curves = (sine.value(x), narrow(x), polynomial)
    names = (
        {"en": "the function", "zh": "目标函数"},
        {"en": f"interpolation, {found.widths[0]} units", "zh": f"插值，{found.widths[0]} 个单元"},
        {
            "en": f"powers of degree {found.degree}, {found.widths[-1]} units",
            "zh": f"{found.degree} 次幂，{found.widths[-1]} 个单元",
        },
    )
    return Plot(
        {"en": "The function and two networks", "zh": "目标函数与两个网络"},
        (untranslated("x"), untranslated("f(x)")),
        [Series(name, torch.cat([x, y], 1), joined=True) for name, y in zip(names, curves, strict=True)],
        {
            "en": "Each ReLU adds one change of the slope.",
            "zh": "每个 ReLU 增加一次斜率变化。",
        },
    )


def _table(found: ApproximationErrors) -> NumberTable:
    """Lay out the errors, and the factors by which they fall."""
    columns = (found.bound, *(getattr(found, kind) for kind in _KINDS))
    rows: list[tuple[Mapping[str, str], tuple[str, ...]]] = [
        (
            untranslated(str(width)),
            tuple(f"{column[k]:.5f}" for column in columns),
        )
        for k, width in enumerate(found.widths)
    ]
    falls = [[f"{a / b:.2f}" for a, b in pairwise(column)] for column in columns]
    rows += [
        (untranslated(f"{first}→{second}"), tuple(f"÷ {text}" for text in fall))
        for (first, second), fall in zip(pairwise(found.widths), zip(*falls, strict=True), strict=True)
    ]
    return NumberTable(
        {"en": "Largest error by number of hidden units", "zh": "各隐藏单元数的最大误差"},
        _HEADS,
        rows,
        {
            "en": "Measured between the training points. The bound is of the interpolation: h² max|f''| / 8 "
            "for segments of the length h. The lower rows have the factors by which errors fall. The best "
            f"polynomial of degree {found.degree} has a root mean square error of {found.best_rms:.5f} on "
            f"these points, the widest network with that activation {found.polynomial_rms[-1]:.5f}.",
            "zh": "在训练点之间测量。上界属于插值：线段长为 h 时为 h² max|f''| / 8。"
            "下面几行是误差降低的倍数。"
            f"在这些点上，最佳 {found.degree} 次多项式的均方根误差为 {found.best_rms:.5f}，"
            f"使用该激活函数的最宽网络为 {found.polynomial_rms[-1]:.5f}。",
        },
    )
