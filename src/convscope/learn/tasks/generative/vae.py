"""Training of variational autoencoders: the evidence lower bound of binarised images, in nats."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from typing_extensions import override

from convscope.errors import UsageError
from convscope.learn.batches.source import iter_batches
from convscope.learn.tasks.findings import Finding, ImageRows, NumberTable, numbered, untranslated
from convscope.learn.tasks.generative.binary import binarised, code_length, in_value_range
from convscope.learn.tasks.metrics import MetricSpec
from convscope.learn.tasks.task import EvalResult, StepOutput, Task
from convscope.nets import Net, frozen
from convscope.nets.inference.execution import ExecutionConfig
from convscope.nets.modules.generative.vae import VAE
from convscope.system.counting import counted
from convscope.worlds import Batch

IMPORTANCE = 50
"""Samples of the importance-weighted bound."""
BOUNDED = 200
"""Test images of which that bound is computed."""
ACTIVE = 0.01
"""Nats of divergence above which a latent dimension counts as used."""
ROWS, COLUMNS = 4, 8
"""Images in a figure of samples or walks."""


def divergence(mean: Float[Tensor, "b z"], log_variance: Float[Tensor, "b z"]) -> Float[Tensor, "b z"]:
    """Compute the Kullback-Leibler divergence of normal distributions from the standard normal one.

    Args:
        mean: means.
        log_variance: logarithms of the variances.

    Returns:
        `-(1 + log s^2 - m^2 - s^2) / 2` of each dimension, in nats.
    """
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp())


@dataclass(frozen=True)
class LikelihoodBounds:
    """What a test found beside the metrics.

    Attributes:
        bounded: number of test images that the two bounds are of.
        elbo: minus their evidence lower bound, in nats, a mean over `importance` samples of each.
        weighted: minus their importance-weighted bound, which is nearer to minus the log-likelihood.
        importance: samples of each image.
        active: latent dimensions with more than `ACTIVE` nats of divergence.
        latent: latent dimensions.
    """

    bounded: int
    elbo: float
    weighted: float
    importance: int
    active: int
    latent: int


class VariationalAutoencoder(Task):
    """Train a variational autoencoder by the evidence lower bound.

    Images are binarised at random, each pixel with its grey value as probability, anew in every step: so the
    bound is one of the likelihood of binary images, and its nats mean something. The test binarises with a
    generator of its own, each time alike.

    Source: Kingma and Welling 2013, arXiv:1312.6114; Burda, Grosse and Salakhutdinov 2015, Importance
        Weighted Autoencoders, arXiv:1509.00519, for the tighter bound.
    """

    metric_sums = 3
    """Sums of minus the bound, of its reconstruction term and of the divergence."""
    metric_specs = (
        MetricSpec("loss", "-ELBO nats", ".2f"),
        MetricSpec("reconstruction", "reconstruction", ".2f"),
        MetricSpec("divergence", "KL", ".2f"),
    )

    @override
    def prepare(self, net: Net, data: Any, recipe: Any) -> Net:
        """Check that the network is a variational autoencoder.

        Args:
            net: network to train.
            data: not used.
            recipe: not used.

        Returns:
            The same network.

        Raises:
            UsageError: it is another network.
        """
        if not isinstance(net.module, VAE):
            raise UsageError(
                "a variational autoencoder", received=net.name, hint="convscope train --recipe vae"
            )
        return net

    @override
    def training_step(self, net: Net, batch: Batch, execution: ExecutionConfig, step: int) -> StepOutput:
        """Compute minus the evidence lower bound, with one sample of the code for each image.

        Args:
            net: network to train.
            batch: images in the spec's range; targets are not read.
            execution: precision and memory format of both halves.
            step: step of the training, from 0; not used.

        Returns:
            The mean over images in nats, and the sums `[3]` of the bound and its two terms.
        """
        binary = binarised(batch.inputs[0], net)
        module = _vae(net)
        with execution.autocast(batch.device):
            mean, log_variance = module.encode(binary)
        mean, log_variance = mean.float(), log_variance.float()
        code = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        with execution.autocast(batch.device):
            logits = module.decode(code)
        length, apart = code_length(logits, binary), divergence(mean, log_variance).sum(1)
        sums = torch.stack([(length + apart).sum(), length.sum(), apart.sum()]).detach()
        return StepOutput((length + apart).mean(), sums)

    @override
    def evaluate(self, net: Net, data: Any, execution: ExecutionConfig) -> EvalResult:
        """Evaluate on held-out images, in float32, binarised and sampled alike each time.

        Args:
            net: network to evaluate; left unchanged.
            data: images.
            execution: not used.

        Returns:
            The metrics; as evidence and details a `LikelihoodBounds` of the first images.
        """
        module, generator = _vae(net), Generator().manual_seed(0)
        sums, used, seen = torch.zeros(3, dtype=torch.float64), torch.zeros(module.latent), 0
        first: Tensor | None = None
        with torch.no_grad(), frozen(net.module):
            for batch in iter_batches(data, net):
                binary = binarised(batch.inputs[0], net, generator)
                first = binary[:BOUNDED] if first is None else first
                mean, log_variance = module.encode(binary)
                code = mean + (0.5 * log_variance).exp() * _normal(mean.shape, generator).to(mean)
                length, apart = code_length(module.decode(code), binary), divergence(mean, log_variance)
                totals = [(length + apart.sum(1)).sum(), length.sum(), apart.sum()]
                sums += torch.stack(totals).double().cpu()
                used += apart.sum(0).cpu()
                seen += len(binary)
            if first is None:
                raise UsageError(
                    "images to test on", received="none", hint="Give test data, or leave the test out."
                )
            elbo, weighted = bounds(module, first, IMPORTANCE, generator)
        active = int((used / seen > ACTIVE).sum())
        found = LikelihoodBounds(
            len(first), -float(elbo.mean()), -float(weighted.mean()), IMPORTANCE, active, module.latent
        )
        sentence = (
            f"{found.active} of {found.latent} latent dimensions are used. -ELBO of "
            f"{counted(found.bounded, 'image')} {found.elbo:.2f} nats; with {IMPORTANCE} importance "
            f"samples {found.weighted:.2f}."
        )
        details = asdict(found)
        return EvalResult(
            self.metrics(sums.tolist(), seen), summary=(sentence,), details=details, evidence=found
        )

    @override
    def findings(self, net: Net, data: Any, tested: EvalResult) -> Sequence[Finding]:
        """Return samples from the prior, walks between codes of test images, and the bounds.

        Args:
            net: the trained network.
            data: what it was tested on.
            tested: what `evaluate` returned.

        Returns:
            Three figures of images and a table.
        """
        found = tested.evidence
        if not isinstance(found, LikelihoodBounds):
            return ()
        module, generator = _vae(net), Generator().manual_seed(0)
        with torch.no_grad(), frozen(net.module):
            images = binarised(next(iter(iter_batches(data, net))).inputs[0], net, generator)[:COLUMNS]
            codes = _normal((ROWS * COLUMNS, module.latent), generator).to(images)
            samples = torch.sigmoid(module.decode(codes))
            walks = torch.sigmoid(module.decode(walk(module.encode(images)[0])))
            copies = net(in_value_range(images, net))
        spec = net.input_spec
        pairs = zip(*(in_value_range(each, net).cpu() for each in (images, copies)), strict=True)
        pictures = [
            ImageRows(numbered(COLUMNS), _rows(samples, net), spec, *_SAMPLES),
            ImageRows([_share(step) for step in range(COLUMNS)], _rows(walks, net), spec, *_WALKS),
            ImageRows(_HEADS, [list(pair) for pair in pairs], spec, *_COPIES),
        ]
        return (*pictures, _table(found, tested.metrics))


def bounds(
    module: VAE, binary: Float[Tensor, "b c h w"], samples: int, generator: Generator
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
    """Estimate the evidence lower bound and the importance-weighted bound from the same samples.

    Args:
        module: the network.
        binary: images of 0 and 1.
        samples: samples of the code of each image.
        generator: draws them, on the CPU.

    Returns:
        Mean of the logarithms of the weights `p(x, z) / q(z | x)`, and logarithm of their mean, in nats: the
        second is at least the first.
    """
    mean, log_variance = module.encode(binary)
    weights = []
    for _ in range(samples):
        noise = _normal(mean.shape, generator).to(mean)
        code = mean + (0.5 * log_variance).exp() * noise
        prior = -0.5 * code.square().sum(1)
        posterior = -0.5 * (noise.square() + log_variance).sum(1)
        weights.append(prior - posterior - code_length(module.decode(code), binary))
    stacked = torch.stack(weights).double()
    return stacked.mean(0), torch.logsumexp(stacked, 0) - math.log(samples)


def walk(codes: Float[Tensor, "n z"]) -> Float[Tensor, "m z"]:
    """Return codes on straight lines between pairs of codes.

    Args:
        codes: codes; the first pair are the first and second, and so on.

    Returns:
        `COLUMNS` codes for each of the first `ROWS` pairs, from one end to the other.
    """
    pairs = codes[: 2 * min(ROWS, len(codes) // 2)].unflatten(0, (-1, 2))
    shares = torch.linspace(0, 1, COLUMNS).to(codes)[None, :, None]
    return torch.lerp(pairs[:, :1], pairs[:, 1:], shares).flatten(0, 1)


def _vae(net: Net) -> VAE:
    """Return the module, which `prepare` has checked."""
    if not isinstance(net.module, VAE):
        raise UsageError(
            "a variational autoencoder",
            received=net.name,
            hint="Choose one: convscope train vae digits --task vae",
        )
    return net.module


def _normal(shape: Sequence[int], generator: Generator) -> Tensor:
    """Draw standard normal numbers from a generator of the CPU."""
    return torch.randn(tuple(shape), generator=generator)


def _rows(images: Tensor, net: Net) -> list[list[Tensor]]:
    """Return images in rows of `COLUMNS`."""
    return [list(row) for row in in_value_range(images, net).cpu().split(COLUMNS)]


def _share(step: int) -> Mapping[str, str]:
    """Return the head of a column of a walk."""
    return untranslated(f"{step / (COLUMNS - 1):.2f}")


_HEADS = (
    {"en": "binarised input", "zh": "二值化输入"},
    {"en": "reconstruction", "zh": "重建"},
)
_SAMPLES = (
    {"en": "Samples from the prior", "zh": "先验分布的样本"},
    {
        "en": "No image has a part in them: codes are drawn from the standard normal distribution and "
        "decoded. Shown is the probability of each pixel.",
        "zh": "不使用任何图像：从标准正态分布抽取编码并解码。显示的是每个像素的概率。",
    },
)
_WALKS = (
    {"en": "Walks through the latent space", "zh": "潜空间漫步"},
    {
        "en": "Each row goes in a straight line from the code of one test image (0) to that of another (1) "
        "and decodes the codes on the way.",
        "zh": "每行从一张测试图像的编码（0）沿直线走到另一张的编码（1），并解码途中的编码。",
    },
)
_COPIES = (
    {"en": "Test images and their reconstructions", "zh": "测试图像与重建"},
    {
        "en": "Left the input, whose pixels were binarised at random with their grey value as probability; "
        "right what is decoded from the mean of its code.",
        "zh": "左为输入，其像素以灰度为概率随机二值化；右为由其编码的均值解码的结果。",
    },
)


def _table(found: LikelihoodBounds, metrics: Mapping[str, float]) -> NumberTable:
    """Lay out the bounds as a table."""
    rows = [
        ({"en": "-ELBO, all test images", "zh": "-ELBO，全部测试图像"}, (f"{metrics['loss']:.2f}",)),
        ({"en": "of which reconstruction", "zh": "其中重建项"}, (f"{metrics['reconstruction']:.2f}",)),
        ({"en": "of which divergence", "zh": "其中 KL 散度"}, (f"{metrics['divergence']:.2f}",)),
        (
            {"en": f"-ELBO, {found.bounded} images", "zh": f"-ELBO，{found.bounded} 张图像"},
            (f"{found.elbo:.2f}",),
        ),
        (
            {
                "en": f"with {found.importance} importance samples",
                "zh": f"{found.importance} 个重要性样本的下界",
            },
            (f"{found.weighted:.2f}",),
        ),
        (
            {"en": "latent dimensions that are used", "zh": "被使用的潜变量维数"},
            (f"{found.active} / {found.latent}",),
        ),
    ]
    return NumberTable(
        {"en": "Bounds of minus the log-likelihood", "zh": "负对数似然的上界"},
        ({"en": "nats", "zh": "奈特（nats）"},),
        rows,
        {
            "en": "Lower is better. Pixels are binarised at random, with their grey value as probability; "
            "numbers of grey images, or of other binarisations, cannot be compared with these. A dimension "
            f"counts as used above {ACTIVE} nats of divergence.",
            "zh": "越低越好。像素以灰度为概率随机二值化；灰度图像或其他二值化方式的数字不能与此比较。"
            f"KL 散度超过 {ACTIVE} 奈特的维度算作被使用。",
        },
    )
