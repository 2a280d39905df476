"""Training of generative adversarial networks on images, and what can be measured of what they generate."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from typing_extensions import override

from convscope.errors import UsageError
from convscope.graph.spec import DIGIT
from convscope.learn.batches.source import iter_batches
from convscope.learn.tasks.findings import Finding, ImageRows, NumberTable, untranslated
from convscope.learn.tasks.generative.adversarial import (
    CHANCE,
    LOSSES,
    AdversarialTraining,
    adversarial_pair,
    generate,
    held_out_losses,
)
from convscope.learn.tasks.generative.measures import nearest, two_sample_accuracy
from convscope.learn.tasks.metrics import MetricSpec
from convscope.learn.tasks.task import EvalResult
from convscope.nets import Net, frozen, load
from convscope.nets.inference.execution import ExecutionConfig
from convscope.worlds import Dataset

SAMPLES = 1000
"""Most generated images that are measured, and as many test images."""
COPIED = 0.01
"""Share of test images that are nearest to a training image, whose distance counts as that of a copy."""
CONFIDENT = 0.9
"""Probability of a class from which the classifier of digits counts as confident."""
ROWS, COLUMNS = 8, 4
"""Generated images in the figure with their nearest training images."""
WALKS, STEPS = 4, 8
"""Walks between codes, and images of each."""
_NEAREST = (
    {"en": "Generated images and their nearest training neighbours", "zh": "生成的图像及其最近的训练图像"},
    {
        "en": "At the right of each generated image stands the training image of the smallest Euclidean "
        "distance over pixels: a generator that copies would show each twice.",
        "zh": "每张生成图像的右侧是像素欧氏距离最小的训练图像：若生成器只会复制，两者将相同。",
    },
)
_WALKED = (
    {"en": "Walks between codes", "zh": "编码之间的漫步"},
    {
        "en": "Each row goes from one random code (0) to another (1) on the sphere and generates an image "
        "from every code on the way.",
        "zh": "每行在球面上从一个随机编码（0）走到另一个（1），并由途中的每个编码生成图像。",
    },
)


@dataclass(frozen=True)
class ClassMeasures:
    """What the classifier of digits that ships with the package returns for images.

    Attributes:
        shares: share of the images of each class.
        confident: share of the images with a class of a probability above `CONFIDENT`.
    """

    shares: tuple[float, ...]
    confident: float

    @property
    def entropy(self) -> float:
        """Entropy of the shares in nats: the logarithm of the number of classes where all are equal."""
        return sum(share * math.log(1 / share) for share in self.shares if share)


@dataclass(frozen=True)
class SampleMeasures:
    """What was measured of generated images, beside as many test images.

    Attributes:
        count: number of images of each kind.
        real: share of the test images whose nearest other image is a test image.
        generated: share of the generated ones whose nearest other image is generated.
        copied: share of the generated ones that are nearer to a training image than all but `COPIED` of the
            test images; NaN where the training images are not known.
        distance: median distance of a generated image from the nearest training image; NaN likewise.
        test_distance: that of a test image.
        classes: of the generated images; None for other data than digits.
        test_classes: of the test images.
    """

    count: int
    real: float
    generated: float
    copied: float
    distance: float
    test_distance: float
    classes: ClassMeasures | None
    test_classes: ClassMeasures | None

    @property
    def accuracy(self) -> float:
        """Accuracy of the nearest neighbour at telling generated from test images: 1/2 is chance."""
        return (self.real + self.generated) / 2

    def to_json(self) -> dict[str, Any]:
        """Return everything, JSON-ready; NaN becomes None."""
        found = {name: None if value != value else value for name, value in asdict(self).items()}
        for name, classes in (("classes", self.classes), ("test_classes", self.test_classes)):
            if classes is not None:
                found[name] = {**asdict(classes), "entropy": classes.entropy}
        return found


class AdversarialImages(AdversarialTraining):
    """Train a generative adversarial network on images.

    The test compares generated images with test images by a two-sample test, finds the nearest training
    images, and counts the classes of generated digits with the classifier that ships.
    """

    metric_specs = (*LOSSES, MetricSpec("nearest_accuracy", "1-NN accuracy", ".1%", optional=True))
    primary_metric = "nearest_accuracy"

    def __init__(self, r1: float = 0.0) -> None:
        super().__init__(r1)
        self._training: Tensor | None = None

    @override
    def prepare(self, net: Net, data: Any, recipe: Any) -> Net:
        """Check that the network generates images, and keep the training images to compare with.

        Args:
            net: network to train.
            data: images.
            recipe: not used.

        Returns:
            The same network.

        Raises:
            UsageError: it is another network.
        """
        net = super().prepare(net, data, recipe)
        if len(net.input_spec.shape) != 3:
            raise UsageError(
                "a network that generates images",
                received=f"{net.name}, of points",
                hint="Choose a generator of images, or the task for points.",
            )
        if isinstance(data, Dataset):
            self._training = torch.cat([batch.inputs[0].cpu() for batch in iter_batches(data, net)])
        return net

    @override
    def evaluate(self, net: Net, data: Any, execution: ExecutionConfig) -> EvalResult:
        """Measure generated images beside test images, in float32, from the same codes each time.

        Args:
            net: network to evaluate; left unchanged.
            data: images.
            execution: not used.

        Returns:
            The losses on test images and the accuracy of the two-sample test; as evidence and details
            `SampleMeasures`.

        Raises:
            UsageError: there are no images.
        """
        generator = Generator().manual_seed(0)
        with torch.no_grad(), frozen(net.module):
            batches = [batch.inputs[0] for batch in iter_batches(data, net)]
            if not batches:
                raise UsageError(
                    "images to test on", received="none", hint="Give test data, or leave the test out."
                )
            losses = held_out_losses(net, batches, generator)
            images = torch.cat(batches)[:SAMPLES].cpu()
            made = _generated(net, len(images), generator)
            found = self._measured(net, images, made)
        sentences = [
            f"The nearest neighbour tells generated from test images with an accuracy of "
            f"{found.accuracy:.1%} (50% is chance). A discriminator that cannot has a loss of {CHANCE:.3f}."
        ]
        if found.classes is not None:
            sentences.append(
                f"The classes of generated digits have an entropy of {found.classes.entropy:.3f} nats, "
                f"at most {math.log(len(found.classes.shares)):.3f}; of {found.classes.confident:.1%} "
                f"one class has a probability above {CONFIDENT:g}."
            )
        return EvalResult(
            {**losses, "nearest_accuracy": found.accuracy},
            summary=tuple(sentences),
            details=found.to_json(),
            evidence=found,
        )

    @override
    def findings(self, net: Net, data: Any, tested: EvalResult) -> Sequence[Finding]:
        """Return generated images beside the nearest training images, walks between codes, and the measures.

        Args:
            net: the trained network.
            data: not used.
            tested: what `evaluate` returned.

        Returns:
            Figures of images and tables.
        """
        found = tested.evidence
        if not isinstance(found, SampleMeasures):
            return ()
        generator, spec = Generator().manual_seed(1), net.input_spec
        with torch.no_grad(), frozen(net.module):
            made = _generated(net, ROWS * COLUMNS, generator)
            pair_codes = torch.randn(2 * WALKS, adversarial_pair(net).latent, generator=generator)
            walks = generate(net, sphere_walks(pair_codes, STEPS).to(net.device)).cpu()
        pictures = []
        if self._training is not None:
            indices = nearest(made.flatten(1), self._training.flatten(1))[1]
            both = torch.stack([made, self._training[indices]], 1).flatten(0, 1)
            pictures.append(ImageRows(_HEADS * COLUMNS, _rows(both, 2 * COLUMNS), spec, *_NEAREST))
        heads = [untranslated(f"{step / (STEPS - 1):.2f}") for step in range(STEPS)]
        pictures.append(ImageRows(heads, _rows(walks, STEPS), spec, *_WALKED))
        tables = [_table(found)]
        if found.classes is not None and found.test_classes is not None:
            tables.append(_class_table(found.classes, found.test_classes))
        return (*pictures, *tables)

    def _measured(self, net: Net, images: Tensor, made: Tensor) -> SampleMeasures:
        """Measure as many generated images as there are test images."""
        real, generated = two_sample_accuracy(images.flatten(1), made.flatten(1))
        copied = distance = test_distance = math.nan
        if self._training is not None:
            training = self._training.flatten(1)
            far, near = nearest(images.flatten(1), training)[0], nearest(made.flatten(1), training)[0]
            copied = float((near < far.quantile(COPIED)).double().mean())
            distance, test_distance = float(near.median()), float(far.median())
        classes = [classified(one) if net.input_spec.kind == DIGIT else None for one in (made, images)]
        return SampleMeasures(len(images), real, generated, copied, distance, test_distance, *classes)


def classified(images: Float[Tensor, "n c h w"]) -> ClassMeasures | None:
    """Count the classes of digits with the classifier that ships with the package.

    Args:
        images: digits `[n 1 28 28]` from 0 to 1.

    Returns:
        The counts as shares; None for images of another size.
    """
    net = load("digits", weights="packaged")
    if images.shape[1:] != net.input_spec.shape:
        return None
    with torch.no_grad():
        probabilities = net(images).softmax(1)
    sure, labels = probabilities.max(1)
    shares = labels.bincount(minlength=len(net.classes)).double() / len(images)
    return ClassMeasures(tuple(shares.tolist()), float((sure > CONFIDENT).double().mean()))


def sphere_walks(codes: Float[Tensor, "n z"], steps: int) -> Float[Tensor, "m z"]:
    """Return codes on great circles between pairs of codes, whose lengths change evenly.

    A straight line passes codes that are much shorter than any that the prior draws.

    Args:
        codes: codes; the first pair are the first and second, and so on.
        steps: codes of each walk, both ends included.

    Returns:
        `steps` codes for each pair.

    Source: White 2016, Sampling Generative Networks, arXiv:1609.04468, section 2.1.
    """
    first, last = codes.unflatten(0, (-1, 2))[:, :, None].unbind(1)
    lengths = [one.norm(dim=2, keepdim=True) for one in (first, last)]
    cosine = (first * last).sum(2, keepdim=True) / (lengths[0] * lengths[1])
    angle = cosine.clamp(-1 + 1e-6, 1 - 1e-6).acos()
    shares = torch.linspace(0, 1, steps).to(codes)[None, :, None]
    ends = ((1 - shares) * angle).sin() * first + (shares * angle).sin() * last
    return (ends / angle.sin()).flatten(0, 1)


def _generated(net: Net, count: int, generator: Generator) -> Tensor:
    """Generate images in the spec's range, on the CPU."""
    codes = torch.randn(count, adversarial_pair(net).latent, generator=generator)
    return torch.cat([generate(net, part.to(net.device)).cpu() for part in codes.split(250)])


def _rows(images: Tensor, columns: int) -> list[list[Tensor]]:
    """Return images in rows."""
    return [list(row) for row in images.split(columns)]


_HEADS = [{"en": "generated", "zh": "生成"}, {"en": "nearest", "zh": "最近"}]


def _table(found: SampleMeasures) -> NumberTable:
    """Lay out the measures beside those of test images."""
    rows = [
        (
            {"en": "nearest other image is of the same kind", "zh": "最近的其他图像属于同一类来源"},
            (f"{found.generated:.1%}", f"{found.real:.1%}"),
        )
    ]
    if not math.isnan(found.copied):
        rows += [
            (
                {
                    "en": "median distance from the nearest training image",
                    "zh": "到最近训练图像的距离（中位数）",
                },
                (f"{found.distance:.2f}", f"{found.test_distance:.2f}"),
            ),
            (
                {"en": "as near to a training image as a copy", "zh": "与训练图像近如复制"},
                (f"{found.copied:.1%}", f"{COPIED:.1%}"),
            ),
        ]
    if found.classes is not None and found.test_classes is not None:
        pair = (found.classes, found.test_classes)
        rows += [
            (
                {"en": "entropy of the classes, in nats", "zh": "类别的熵（奈特）"},
                tuple(f"{one.entropy:.3f}" for one in pair),
            ),
            (
                {"en": f"class above {CONFIDENT:.0%} probability", "zh": f"某一类概率超过 {CONFIDENT:.0%}"},
                tuple(f"{one.confident:.1%}" for one in pair),
            ),
        ]
    return NumberTable(
        {"en": "Generated beside test images", "zh": "生成图像与测试图像"},
        ({"en": "generated", "zh": "生成"}, {"en": "test", "zh": "测试"}),
        rows,
        {
            "en": f"{found.count:,} images of each kind; distances are Euclidean, over pixels. "
            "Where both have the same distribution, half of the nearest other images are of the same kind; "
            "where they lie apart, all. As near as a copy: nearer than "
            f"{1 - COPIED:.0%} of the test images are.",
            "zh": f"每种 {found.count:,} 张图像；距离是像素上的欧氏距离。若两者分布相同，"
            "最近的其他图像有一半属于同一来源；若完全分离，则全部属于同一来源。"
            f"“近如复制”指比 {1 - COPIED:.0%} 的测试图像离训练图像更近。",
        },
    )


def _class_table(made: ClassMeasures, tested: ClassMeasures) -> NumberTable:
    """Lay out the shares of the classes."""
    rows = [
        (untranslated(str(label)), (f"{ours:.1%}", f"{theirs:.1%}"))
        for label, (ours, theirs) in enumerate(zip(made.shares, tested.shares, strict=True))
    ]
    return NumberTable(
        {"en": "Classes of generated and of test digits", "zh": "生成数字与测试数字的类别"},
        ({"en": "generated", "zh": "生成"}, {"en": "test", "zh": "测试"}),
        rows,
        {
            "en": "As the classifier of digits that ships with the package predicts them. A class that "
            "is missing would be a mode that the generator has lost.",
            "zh": "由软件包自带的数字分类器预测。缺失的类别意味着生成器丢失了一个模式。",
        },
    )
