"""Training of autoencoders: return the input, or with `noise` the clean image of a noisy input."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
from torch import Generator, Tensor
from typing_extensions import override

from convscope.errors import UsageError
from convscope.learn.batches.source import iter_batches
from convscope.learn.tasks.findings import Finding, ImageRows, NumberTable
from convscope.learn.tasks.generative.measures import PrincipalComponents, checkerboard, median_filter, psnr
from convscope.learn.tasks.generative.recipe import ReconstructionRecipe
from convscope.learn.tasks.metrics import MetricSpec
from convscope.learn.tasks.task import EvalResult, StepOutput, Task
from convscope.nets import Net, frozen
from convscope.nets.inference.execution import ExecutionConfig
from convscope.worlds import Batch, Dataset

LEVELS = (0.5, 1.0, 1.5, 2.0)
"""Noise levels of the evaluation, as multiples of that of the training: all but one were never seen."""
SIDES = (3, 5)
"""Sides of the median filters that a denoising network is compared with, in pixels."""
MOST = 2000
"""Most test images for what is compared: noise levels, median filters, principal components."""
FITTED = 10_000
"""Most training images from which principal components are computed."""
LARGEST = 3072
"""Most values of an image whose principal components are computed."""
SHOWN = 8
"""Images that a report shows."""
_HEADS = (
    {"en": "input", "zh": "输入"},
    {"en": "principal components", "zh": "主成分"},
    {"en": "network", "zh": "网络"},
)
_NOISY_HEADS = (
    {"en": "clean", "zh": "干净图像"},
    {"en": "with noise", "zh": "加噪声"},
    {"en": "median filter", "zh": "中值滤波"},
    {"en": "network", "zh": "网络"},
)
_COPIED = (
    {"en": "Reconstructions of test images", "zh": "测试图像的重建"},
    {
        "en": "What is left of each image behind the smallest layer; principal components, where they are "
        "shown, keep as many numbers.",
        "zh": "每张图像经过最窄一层之后的重建；若显示主成分，它保留同样多的数值。",
    },
)
_DENOISED = (
    {"en": "Test images, freed from noise", "zh": "测试图像的去噪"},
    {
        "en": "The noise is that of the training; the median filter has the side that is best at this noise.",
        "zh": "噪声与训练时相同；中值滤波采用在该噪声下最好的边长。",
    },
)


@dataclass(frozen=True)
class NoiseLevel:
    """Peak signal-to-noise ratios in dB at one noise level, of images clipped to the value range.

    Attributes:
        noise: standard deviation of the noise, as a share of the value range.
        noisy: of the noisy images themselves.
        median: of the best median filter at that level.
        side: side of that filter in pixels.
        network: of the network's output.
    """

    noise: float
    noisy: float
    median: float
    side: int
    network: float


@dataclass(frozen=True)
class Reconstructions:
    """What a test found beside the metrics.

    Attributes:
        compared: number of test images that were compared.
        checkerboard: share of the error's power that repeats every two pixels, 0 to 1.
        white: that share for white noise.
        code: number of values of the smallest layer; 0 where it is not known.
        pca: peak signal-to-noise ratio in dB of as many principal components; NaN where not computed.
        levels: noise levels, where the training has noise.
    """

    compared: int
    checkerboard: float
    white: float
    code: int = 0
    pca: float = math.nan
    levels: tuple[NoiseLevel, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return everything, JSON-ready; what is not known is None."""
        return asdict(self) | {"pca": None if math.isnan(self.pca) else self.pca}


class Reconstruction(Task):
    """Train a network to return its input, or with noise the clean image, by the mean squared error.

    Args:
        noise: standard deviation of Gaussian noise on the inputs, as a share of the value range.

    Source: Vincent, Larochelle, Bengio and Manzagol 2008, Extracting and Composing Robust Features with
        Denoising Autoencoders (ICML).
    """

    metric_specs = (
        MetricSpec("loss", form=".5f"),
        MetricSpec("psnr", "PSNR dB", ".2f", higher_is_better=True),
    )
    primary_metric = "psnr"

    def __init__(self, noise: float = 0.0) -> None:
        self.noise = noise
        self._train: Any = None
        self._compared: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._principal: PrincipalComponents | None = None

    @classmethod
    @override
    def from_recipe(cls, recipe: ReconstructionRecipe) -> Self:
        return cls(recipe.noise)

    @override
    def settings(self) -> Mapping[str, Any]:
        return {"noise": self.noise}

    @override
    def prepare(self, net: Net, data: Any, recipe: Any) -> Net:
        """Check that the network returns images of the size of its input.

        Args:
            net: network to train; left unchanged.
            data: images; kept, as principal components are computed from them.
            recipe: not used.

        Returns:
            The network without names of classes.

        Raises:
            UsageError: the network has another number of inputs, or returns something else.
        """
        if len(net.input_specs) != 1:
            raise UsageError(
                "a network with one input",
                received=f"{len(net.input_specs)} inputs",
                hint="Choose a network with one input: convscope nets lists them.",
            )
        with torch.no_grad(), frozen(net.module):
            found = net(net.example())
        shape = net.input_spec.shape
        if not isinstance(found, Tensor) or found[0].numel() != math.prod(shape):
            extent = "x".join(map(str, shape))
            received = tuple(found.shape[1:]) if isinstance(found, Tensor) else type(found).__name__
            raise UsageError(
                f"a network that returns what it takes, {extent}",
                received=f"{net.name}, which returns {received}",
                hint="For example: convscope train --recipe autoencoder",
            )
        self._train, self._principal = data, None
        return net.with_classes(())

    def noisy(self, clean: Tensor, net: Net, generator: Generator | None = None) -> Tensor:
        """Add Gaussian noise to images.

        Args:
            clean: images `[b c h w]` in the spec's range.
            net: its spec has the value range.
            generator: draws the noise, on the CPU; torch's global one if left out, which a training stores
                with its state.

        Returns:
            The images with noise, not clipped.
        """
        return _with_noise(clean, self.noise * _extent(net), generator)

    @override
    def training_step(self, net: Net, batch: Batch, execution: ExecutionConfig, step: int) -> StepOutput:
        """Compute the mean squared error between output and clean image.

        The noise is drawn anew from torch's global generator, which the training stores and restores.

        Args:
            net: network to train.
            batch: clean images in the spec's range; targets are not read.
            execution: precision and memory format of the forward pass.
            step: step of the training, from 0; not used.

        Returns:
            The loss over the squared length of the value range, and the sum `[1]` of that of each image.
        """
        clean = batch.inputs[0]
        given = self.noisy(clean, net) if self.noise else clean
        with execution.autocast(batch.device):
            made = net(execution.to_memory_format(given))
        loss = (made.float().view_as(clean) - clean).square().mean() / _extent(net) ** 2
        return StepOutput(loss, loss.detach()[None] * batch.size)

    @override
    def metrics(self, sums: Sequence[float], seen: int) -> Mapping[str, float]:
        loss = sums[0] / max(seen, 1)
        return {"loss": loss, "psnr": psnr(loss)}

    @override
    def evaluate(self, net: Net, data: Any, execution: ExecutionConfig) -> EvalResult:
        """Evaluate on held-out images, in float32; with noise, the same one each time.

        Args:
            net: network to evaluate; left unchanged.
            data: images.
            execution: precision and memory format of the training.

        Returns:
            `loss` and `psnr` over all images; as evidence and details `Reconstructions`, from at most `MOST`
            images.
        """
        total, seen, generator = 0.0, 0, _generator()
        pattern, power = 0.0, 0.0
        with torch.no_grad(), frozen(net.module):
            for clean in _images(data, net):
                given = self.noisy(clean, net, generator) if self.noise else clean
                error = (net(given).view_as(clean) - clean) / _extent(net)
                total += float(error.double().square().mean()) * len(clean)
                seen += len(clean)
                repeated, whole = checkerboard(error)
                pattern, power = pattern + repeated, power + whole
            few = _few(data, net)
            known = self._references(data)
            levels = tuple(self._level(net, few, times, known) for times in LEVELS) if self.noise else ()
        height, width = (side // 2 * 2 for side in net.input_spec.size)
        found = Reconstructions(
            len(few),
            pattern / power if power else 0.0,
            3 / max(height * width - 1, 1),
            _code(net),
            math.nan if self.noise else self._pca(net, few, known),
            levels,
        )
        return EvalResult(
            self.metrics([total], seen), summary=_sentences(found), details=found.to_json(), evidence=found
        )

    @override
    def findings(self, net: Net, data: Any, tested: EvalResult) -> Sequence[Finding]:
        """Return images beside what the network makes of them, and the numbers they are compared with.

        Args:
            net: the trained network.
            data: what it was tested on.
            tested: what `evaluate` returned.

        Returns:
            Rows of images, and a table.
        """
        found = tested.evidence
        if not isinstance(found, Reconstructions):
            return ()
        clean = _few(data, net)[:SHOWN]
        low, high = net.input_spec.value_range
        given = self.noisy(clean, net, _generator()) if self.noise else clean
        with torch.no_grad(), frozen(net.module):
            made = net(given).view_as(clean)
        if self.noise:
            side = next((level.side for level in found.levels if level.noise == self.noise), SIDES[0])
            columns, heads = [clean, given, median_filter(given, side), made], _NOISY_HEADS
            texts, table = _DENOISED, _level_table(found)
        else:
            components = self._components(net)
            between = [] if components is None else [components.reconstruct(clean)]
            columns = [clean, *between, made]
            heads = _HEADS if between else (_HEADS[0], _HEADS[2])
            texts, table = _COPIED, _copy_table(found, float(tested.metrics["psnr"]))
        shown = [list(row) for row in zip(*(c.clamp(low, high).cpu() for c in columns), strict=True)]
        return (ImageRows(heads, shown, net.input_spec, *texts), table)

    @override
    def commands(self, folder: str, recipe: Any) -> Sequence[str]:
        """Return commands that describe the network and show what its layers do to a picture.

        Args:
            folder: the run's folder, quoted for a shell.
            recipe: not used.

        Returns:
            One command each.
        """
        return (f"convscope describe {folder}", f"convscope look PICTURE --net {folder}")

    def _references(self, data: Any) -> dict[str, Any]:
        """Return what has been computed of a data set without the network: it is the same in every epoch."""
        return self._compared.setdefault(id(data), (data, {}))[1]

    def _level(self, net: Net, clean: Tensor, times: float, known: dict[str, Any]) -> NoiseLevel:
        """Compare the network with the noisy images and the median filters at one noise level."""
        low, high = net.input_spec.value_range
        extent, noise = _extent(net), times * self.noise
        noisy = _with_noise(clean, noise * extent, _generator())
        key = f"noise {times}"
        if key not in known:
            medians = {side: _error(_in_parts(noisy, side), clean, (low, high)) for side in SIDES}
            side = min(medians, key=lambda side: medians[side])
            known[key] = (_error(noisy, clean, (low, high)), medians[side], side)
        before, median, side = known[key]
        made = torch.cat([net(part).view_as(part) for part in noisy.split(256)])
        error = _error(made, clean, (low, high))
        return NoiseLevel(noise, psnr(before), psnr(median), side, psnr(error))

    def _pca(self, net: Net, clean: Tensor, known: dict[str, Any]) -> float:
        """Return the peak signal-to-noise ratio of as many principal components as the code has values."""
        if "pca" not in known:
            found = self._components(net)
            error = math.nan if found is None else _error(found.reconstruct(clean), clean, None)
            known["pca"] = math.nan if found is None else psnr(error / _extent(net) ** 2)
        return known["pca"]

    def _components(self, net: Net) -> PrincipalComponents | None:
        """Return the principal components of the training images, computed once; None where too large."""
        shape, code = net.input_spec.shape, _code(net)
        if not isinstance(self._train, Dataset) or math.prod(shape) > LARGEST or not code:
            return None
        if self._principal is None:
            images = _few(self._train, net, FITTED).cpu()
            self._principal = PrincipalComponents(images, code)
        return self._principal


def _extent(net: Net) -> float:
    """Return the length of the value range of a network's input."""
    low, high = net.input_spec.value_range
    return high - low


def _generator() -> Generator:
    """Return the generator of the noise of an evaluation, the same each time."""
    return Generator().manual_seed(0)


def _with_noise(clean: Tensor, deviation: float, generator: Generator | None) -> Tensor:
    """Add Gaussian noise of a standard deviation, from a generator of the CPU or the global one."""
    if generator is None:
        return clean + deviation * torch.randn_like(clean)
    return clean + deviation * torch.randn(clean.shape, generator=generator).to(clean)


def _in_parts(images: Tensor, side: int) -> Tensor:
    """Filter images in parts, as each needs the memory of `side * side` images."""
    return torch.cat([median_filter(part, side) for part in images.split(256)])


def _error(made: Tensor, clean: Tensor, bounds: tuple[float, float] | None) -> float:
    """Return the mean squared error; with bounds, of images clipped to them, over their squared distance."""
    if bounds is None:
        return float((made - clean).double().square().mean())
    low, high = bounds
    return float((made.clamp(low, high) - clean).double().square().mean()) / (high - low) ** 2


def _images(data: Any, net: Net) -> Iterator[Tensor]:
    """Yield the images of data in batches."""
    for batch in iter_batches(data, net):
        yield batch.inputs[0]


def _few(data: Any, net: Net, most: int = MOST) -> Tensor:
    """Return the first images of data as one tensor."""
    found, count = [], 0
    for images in _images(data, net):
        found.append(images[: most - count])
        count += len(found[-1])
        if count >= most:
            break
    return torch.cat(found)


def _code(net: Net) -> int:
    """Return the number of values of the smallest layer; 0 for a network without a graph."""
    if net.graph is None:
        return 0
    return min(math.prod(shape) for shape in net.graph.shapes.values())


def _sentences(found: Reconstructions) -> tuple[str, ...]:
    """Return the comparisons in words, for the terminal."""
    lines = [
        f"noise {level.noise:.3g}: {level.network:.2f} dB; noisy {level.noisy:.2f} dB, "
        f"median filter {level.side}x{level.side} {level.median:.2f} dB"
        for level in found.levels
    ]
    if not math.isnan(found.pca):
        lines.append(f"{found.code} principal components: {found.pca:.2f} dB.")
    lines.append(
        f"{found.checkerboard:.2%} of the error's power repeats every two pixels (white noise: "
        f"{found.white:.2%})."
    )
    return tuple(lines)


def _copy_table(found: Reconstructions, network: float) -> NumberTable:
    """Lay out an autoencoder's test as a table."""
    rows = [({"en": "network", "zh": "网络"}, (f"{network:.2f} dB",))]
    if not math.isnan(found.pca):
        name = {"en": f"{found.code} principal components", "zh": f"{found.code} 个主成分"}
        rows.append((name, (f"{found.pca:.2f} dB",)))
    rows += _pattern_rows(found, 1)
    return NumberTable(
        {"en": "Peak signal-to-noise ratio of the reconstructions", "zh": "重建的峰值信噪比（PSNR）"},
        ({"en": "PSNR", "zh": "PSNR"},),
        tuple(rows),
        {
            "en": "Higher is better. Principal components are the best linear code of the same size, from "
            f"the training images; compared on {found.compared:,} test images. Transposed convolutions whose "
            "kernels overlap unevenly leave a pattern that repeats every two pixels.",
            "zh": f"越高越好。主成分是同样大小的最佳线性编码，由训练图像得到；在 {found.compared:,} "
            "张测试图像上比较。卷积核重叠不均匀的转置卷积会留下每两个像素重复一次的图案。",
        },
    )


def _level_table(found: Reconstructions) -> NumberTable:
    """Lay out the noise levels as a table."""
    rows = [
        (
            {"en": f"noise {level.noise:.3g}", "zh": f"噪声 {level.noise:.3g}"},
            (
                f"{level.noisy:.2f} dB",
                f"{level.median:.2f} dB ({level.side}×{level.side})",
                f"{level.network:.2f} dB",
            ),
        )
        for level in found.levels
    ]
    return NumberTable(
        {"en": "Peak signal-to-noise ratio by noise level", "zh": "各噪声水平的峰值信噪比（PSNR）"},
        _NOISY_HEADS[1:],
        (*rows, *_pattern_rows(found, 3)),
        {
            "en": "Higher is better. The noise is a share of the value range; the network was trained with "
            f"one of these levels. {found.compared:,} test images, all clipped to the value range; of two "
            "median filters the better one at each level.",
            "zh": "越高越好。噪声以取值范围为单位；网络只用其中一个水平训练。"
            f"{found.compared:,} 张测试图像，均截断到取值范围；每个水平取两种中值滤波中较好的一种。",
        },
    )


def _pattern_rows(found: Reconstructions, columns: int) -> list[tuple[Mapping[str, str], tuple[str, ...]]]:
    """Return the rows of the pattern that repeats every two pixels, in the last column."""
    blank = ("",) * (columns - 1)
    names = (
        ({"en": "error that repeats every two pixels", "zh": "每两个像素重复的误差"}, found.checkerboard),
        ({"en": "the same for white noise", "zh": "白噪声的该比例"}, found.white),
    )
    return [(name, (*blank, f"{share:.2%}")) for name, share in names]
