"""Training of autoregressive networks: the likelihood of binarised images, pixel by pixel, in nats."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Generator, Tensor
from typing_extensions import override

from convscope.errors import UsageError
from convscope.learn.batches.source import iter_batches
from convscope.learn.tasks.findings import Finding, ImageRows, NumberTable, numbered
from convscope.learn.tasks.generative.binary import binarised, code_length, in_value_range, unit_range
from convscope.learn.tasks.metrics import MetricSpec
from convscope.learn.tasks.task import EvalResult, StepOutput, Task
from convscope.nets import Net, frozen
from convscope.nets.inference.execution import ExecutionConfig
from convscope.nets.modules.generative.autoregressive import AutoregressiveImages
from convscope.worlds import Batch, Dataset

DRAWN = 8
"""Images in each figure of samples: each takes one forward pass for each pixel."""


@dataclass(frozen=True)
class CodeLengths:
    """Nats of a test image, on average.

    Attributes:
        network: by the network.
        independent: by independent pixels with the frequencies of the training images; NaN where those are
            not known.
        pixels: number of pixels of an image.
    """

    network: float
    independent: float
    pixels: int

    @property
    def bits(self) -> float:
        """Bits of a pixel by the network."""
        return self.network / math.log(2) / self.pixels


class PixelLikelihood(Task):
    """Train a PixelCNN or a PixelRNN by the exact likelihood of binarised images.

    Images are binarised at random, each pixel with its grey value as probability, anew in every step; the
    test binarises with a generator of its own, each time alike.

    Source: van den Oord, Kalchbrenner and Kavukcuoglu 2016, arXiv:1601.06759.
    """

    metric_specs = (MetricSpec("loss", "nats", ".2f"),)

    def __init__(self) -> None:
        self._frequencies: Tensor | None = None

    @override
    def prepare(self, net: Net, data: Any, recipe: Any) -> Net:
        """Check that the network is autoregressive, and compute the mean of the training images.

        Args:
            net: network to train.
            data: images.
            recipe: not used.

        Returns:
            The same network.

        Raises:
            UsageError: it is another network.
        """
        _autoregressive(net)
        if isinstance(data, Dataset):
            total, seen = torch.zeros(net.input_spec.shape, dtype=torch.float64), 0
            for batch in iter_batches(data, net):
                total += unit_range(batch.inputs[0], net).double().sum(0).cpu()
                seen += batch.size
            self._frequencies = (total + 1) / (seen + 2)  # no pixel is impossible
        return net

    @override
    def training_step(self, net: Net, batch: Batch, execution: ExecutionConfig, step: int) -> StepOutput:
        """Compute minus the log-likelihood of binarised images.

        Args:
            net: network to train.
            batch: images in the spec's range; targets are not read.
            execution: precision and memory format of the forward pass.
            step: step of the training, from 0; not used.

        Returns:
            The mean over images in nats, and the sum `[1]`.
        """
        binary = binarised(batch.inputs[0], net)
        with execution.autocast(batch.device):
            logits = _autoregressive(net)(execution.to_memory_format(binary))
        lengths = code_length(logits, binary)
        return StepOutput(lengths.mean(), lengths.detach().sum()[None])

    @override
    def evaluate(self, net: Net, data: Any, execution: ExecutionConfig) -> EvalResult:
        """Evaluate on held-out images, in float32, binarised alike each time.

        Args:
            net: network to evaluate; left unchanged.
            data: images.
            execution: not used.

        Returns:
            The metric; as evidence and details `CodeLengths`.
        """
        module, generator = _autoregressive(net), Generator().manual_seed(0)
        total, apart, seen = 0.0, 0.0, 0
        with torch.no_grad(), frozen(net.module):
            for batch in iter_batches(data, net):
                binary = binarised(batch.inputs[0], net, generator)
                total += float(code_length(module(binary), binary).double().sum())
                apart += self._independent(binary.cpu())
                seen += len(binary)
        found = CodeLengths(total / max(seen, 1), apart / max(seen, 1), math.prod(net.input_spec.shape))
        sentences = [f"{found.bits:.4f} bits a pixel."]
        if not math.isnan(found.independent):
            sentences.append(f"Independent pixels take {found.independent:.2f} nats.")
        details = {**asdict(found), "bits": found.bits}
        details["independent"] = None if math.isnan(found.independent) else found.independent
        return EvalResult({"loss": found.network}, summary=tuple(sentences), details=details, evidence=found)

    @override
    def findings(self, net: Net, data: Any, tested: EvalResult) -> Sequence[Finding]:
        """Return samples, lower halves that are drawn below upper halves of test images, and the nats.

        Args:
            net: the trained network.
            data: what it was tested on.
            tested: what `evaluate` returned.

        Returns:
            Two figures of images and a table.
        """
        found = tested.evidence
        if not isinstance(found, CodeLengths):
            return ()
        module, generator = _autoregressive(net), Generator().manual_seed(0)
        half = net.input_spec.size[0] // 2
        with torch.no_grad(), frozen(net.module):
            images = binarised(next(iter(iter_batches(data, net))).inputs[0], net, generator)[:DRAWN]
            samples = module.sample(images.new_zeros(DRAWN, *images.shape[1:]), generator)
            halves = [module.sample(images, generator, half) for _ in range(2)]
        above = images.clone()
        above[:, :, half:] = 0
        spec = net.input_spec
        rows = [list(in_value_range(row, net).cpu()) for row in (above, *halves, images)]
        return (
            ImageRows(numbered(DRAWN), [list(in_value_range(samples, net).cpu())], spec, *_SAMPLES),
            ImageRows(numbered(len(images)), rows, spec, *_COMPLETIONS),
            _table(found),
        )

    def _independent(self, binary: Tensor) -> float:
        """Return the nats of images by independent pixels; NaN where no frequencies are known."""
        if self._frequencies is None:
            return math.nan
        return float(code_length(torch.logit(self._frequencies).expand_as(binary).float(), binary).sum())


def _autoregressive(net: Net) -> AutoregressiveImages:
    """Return the module, or refuse another one."""
    if not isinstance(net.module, AutoregressiveImages):
        raise UsageError(
            "a PixelCNN or a PixelRNN", received=net.name, hint="convscope train --recipe pixelcnn"
        )
    return net.module


_SAMPLES = (
    {"en": "Samples, drawn pixel by pixel", "zh": "逐像素抽取的样本"},
    {
        "en": "No test image has a part in them: each pixel is drawn with the probability that the network "
        "gives it after the rows above and the pixels at its left.",
        "zh": "不使用任何测试图像：每个像素按网络在看过上方各行和左侧像素之后给出的概率抽取。",
    },
)
_COMPLETIONS = (
    {"en": "Completions of the upper halves of test images", "zh": "由测试图像的上半部分补全"},
    {
        "en": "Top to bottom: the given half, two lower halves that were drawn below it, and the image. "
        "A completion may be right without being the image.",
        "zh": "自上而下：给定的上半部分、在其下方抽取的两种下半部分，以及原图。"
        "补全不必与原图相同也可以合理。",
    },
)


def _table(found: CodeLengths) -> NumberTable:
    """Lay out the nats as a table."""
    rows: list[tuple[Mapping[str, str], tuple[str, ...]]] = [
        ({"en": "network", "zh": "网络"}, (f"{found.network:.2f}",))
    ]
    if not math.isnan(found.independent):
        rows.append(({"en": "independent pixels", "zh": "相互独立的像素"}, (f"{found.independent:.2f}",)))
    return NumberTable(
        {"en": "Minus the log-likelihood of a test image", "zh": "测试图像的负对数似然"},
        ({"en": "nats", "zh": "奈特（nats）"},),
        rows,
        {
            "en": f"Lower is better; exact, not a bound. The network takes {found.bits:.4f} bits a pixel. "
            "Independent pixels have the frequencies of the training images. Pixels are binarised at random, "
            "with their grey value as probability: numbers of other binarisations cannot be compared.",
            "zh": f"越低越好；这是精确值，不是界。网络每个像素用 {found.bits:.4f} 比特。"
            "独立像素使用训练图像的频率。像素以灰度为概率随机二值化：其他二值化方式的数字不能与此比较。",
        },
    )
