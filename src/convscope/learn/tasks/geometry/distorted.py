"""Training of classifiers of distorted images, and where their spatial transformers look."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import degrees, log, pi
from typing import TYPE_CHECKING, Any, Self

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from typing_extensions import override

from convscope.errors import UsageError
from convscope.learn.batches.source import BatchSource, ImageBatches, seed_of
from convscope.learn.recipe import TrainRecipe
from convscope.learn.setup import load_training
from convscope.learn.tasks.classification import Classification
from convscope.learn.tasks.evaluation import Evaluation
from convscope.learn.tasks.findings import Finding, ImageRows, NumberTable, Plot, Series
from convscope.learn.tasks.geometry.hooks import collected, find_layer
from convscope.learn.tasks.geometry.recipe import DistortedRecipe
from convscope.learn.tasks.task import EvalResult
from convscope.nets import Net
from convscope.nets.inference.execution import ExecutionConfig
from convscope.nets.modules.classics.spatial_transformer import SpatialTransformer, sample
from convscope.worlds import Batch, DistortedImages, LabelledImages
from convscope.worlds.datasets.distorted import distort, draw_poses, find_distortion
from convscope.worlds.images.adapt import to_spec

if TYPE_CHECKING:
    from convscope.learn.setup import TrainingSetup

SHOWN = 8
"""Test images whose sampled regions are shown."""
POINTS = 400
"""Most test images in the figure of angles."""
CORNERS = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))
"""Corners of what is sampled, in its own coordinates."""


@dataclass(frozen=True, eq=False)
class SampledPoses:
    """What a spatial transformer did with distorted images.

    Attributes:
        evaluation: labels, predictions and losses of the images.
        theta: the transform of each, `[n 2 3]`, from positions of what is sampled to those of the image.
        poses: the transform that distorted each, `[n 2 3]`, from positions of the image to those of the
            original.
        sides: width and height of the originals, in pixels.
    """

    evaluation: Evaluation
    theta: Tensor
    poses: Tensor
    sides: tuple[int, int]

    @property
    def seen(self) -> Float[Tensor, "n 2 3"]:
        """Transforms from what is sampled to the originals: alike if all are rectified."""
        return composed(self.poses, self.theta)

    def rows(self) -> Mapping[str, tuple[float, float, float]]:
        """Compare poses before and after the transformer.

        Returns:
            For `angle` (degrees), `size` (percent), `right` and `down` (pixels of the original) the standard
            deviation of the poses of the images, that of the poses of what is sampled, and the correlation of
            theta with what would undo the distortion. Without what the distortion leaves alone.
        """
        before, after = poses_of(self.poses), poses_of(self.seen)
        wanted, found = poses_of(inverted(self.poses)), poses_of(self.theta)
        width, height = ((side - 1) / 2 for side in self.sides)
        units = {"angle": degrees(1), "size": 100.0, "right": width, "down": height}
        rows = {}
        for name, unit in units.items():
            if before[name].std() < 1e-6:
                continue
            spreads = (unit * _spread(one[name], name) for one in (before, after))
            rows[name] = (*spreads, correlation(wanted[name], found[name]))
        return rows


class DistortedClassification(Classification):
    """Train a classifier of distorted images: distorted anew in every step, and always alike in the test.

    Where the network has a spatial transformer, the test compares what it samples with the known distortions.

    Args:
        distortion: `rotation` or `rts`, see `worlds.datasets.distorted`.
        label_smoothing: share of the target spread over all classes, 0 to 1.

    Source: Jaderberg et al. 2015, section 4.1, arXiv:1506.02025.
    """

    def __init__(self, distortion: str = "rts", label_smoothing: float = 0.0) -> None:
        super().__init__(label_smoothing)
        self.distortion = distortion
        find_distortion(distortion)

    @classmethod
    @override
    def from_recipe(cls, recipe: Any) -> Self:
        return cls(recipe.distortion, recipe.label_smoothing)

    @override
    def settings(self) -> Mapping[str, Any]:
        return {"distortion": self.distortion, "label_smoothing": self.label_smoothing}

    @override
    def make_batches(self, net: Net, data: Any, recipe: Any) -> BatchSource:
        return DistortedBatches(self.distorted(data), net, recipe)

    def distorted(self, data: Any) -> DistortedImages:
        """Return distorted images.

        Args:
            data: labelled images; those that are distorted already are returned as they are.

        Returns:
            The images, each distorted in a way of its own that is always the same.

        Raises:
            UsageError: the data are no labelled images.
        """
        if isinstance(data, DistortedImages):
            return data
        if not isinstance(data, LabelledImages):
            raise UsageError(
                "labelled images to distort",
                received=type(data).__name__,
                hint="Open images with worlds.open, or make an ImageTensorDataset of them.",
            )
        return DistortedImages(data, self.distortion)

    @override
    def evaluate(self, net: Net, data: Any, execution: ExecutionConfig) -> EvalResult:
        """Evaluate the network on distorted images, in float32, and note where it looked.

        Args:
            net: classifier, in any mode; left unchanged.
            data: labelled images, distorted or not.
            execution: precision and memory format of the training.

        Returns:
            As of every classifier; with a spatial transformer, as evidence `SampledPoses`, and its numbers
            among the details and in a sentence.
        """
        images = self.distorted(data)
        with collected(find_layer(net, SpatialTransformer), _theta) as thetas:
            tested = super().evaluate(net, images, execution)
        if not thetas or not isinstance(tested.evidence, Evaluation):
            return tested
        height, width = images.originals.spec.size
        found = SampledPoses(tested.evidence, torch.cat(thetas).cpu().float(), images.poses, (width, height))
        rows = found.rows()
        texts = [
            f"{_NAMES[name][0]['en']} {before:.1f} to {after:.1f} {_NAMES[name][1]['en']}"
            for name, (before, after, _) in rows.items()
        ]
        sentence = f"The spatial transformer changes the spread of poses: {', '.join(texts)}."
        details = {
            name: dict(zip(("before", "after", "correlation"), r, strict=True)) for name, r in rows.items()
        }
        return replace(
            tested,
            summary=(*tested.summary, sentence),
            details={**tested.details, "poses": details},
            evidence=found,
        )

    @override
    def findings(self, net: Net, data: Any, tested: EvalResult) -> Sequence[Finding]:
        """Return what every classifier's report shows and, with a spatial transformer, where it looked.

        Args:
            net: the trained network.
            data: the test images, distorted or not.
            tested: what `evaluate` returned for them.

        Returns:
            Sampled regions, theta against the distortion, poses before and after; then the classified images.
        """
        images, found = self.distorted(data), tested.evidence
        layer = find_layer(net, SpatialTransformer)
        if layer is None or not isinstance(found, SampledPoses):
            return super().findings(net, images, tested)
        plain = super().findings(net, images, replace(tested, evidence=found.evaluation))
        return (_regions(layer, images, found), _angles(found), _table(found), *plain)


class DistortedBatches(ImageBatches):
    """Yield shuffled batches of images that are distorted anew in every step.

    The poses follow from seed, epoch and step.

    Args:
        data: distorted images; the originals are drawn from.
        net: network to train; batches match its spec and are on its device.
        recipe: recipe with seed and batch size.
    """

    def __init__(self, data: DistortedImages, net: Net, recipe: TrainRecipe) -> None:
        super().__init__(data.originals, net, recipe)
        self._ranges = find_distortion(data.distortion)

    @override
    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        order = self.order(epoch)[skip * self.recipe.batch :]
        device = self.net.device
        batches = self.images.pixel_batches(order, self.recipe.batch)
        for step, (pixels, labels) in enumerate(batches, start=skip):
            generator = Generator().manual_seed(seed_of(self.recipe.seed, "poses", epoch, step))
            height, width = pixels.shape[2:]
            poses = draw_poses(len(pixels), (height, width), self._ranges, generator)
            distorted = distort(pixels, poses, self._ranges)
            yield Batch((to_spec(distorted.to(device), self.net.input_spec),), labels.to(device))


def setup_from_recipe(recipe: DistortedRecipe) -> "TrainingSetup":
    """Load what a recipe names, with distorted images to learn from and to test on.

    Args:
        recipe: recipe of the training.

    Returns:
        Network on its device, task, training and test data, and notes on the data.

    Raises:
        UsageError, MissingError, DataError: as `load_training`.
    """
    setup = load_training(recipe, DistortedClassification.from_recipe(recipe))
    train, test = map(setup.task.distorted, (setup.train, setup.test))
    notes = tuple(
        note for note in setup.notes if setup.fit is None or not note.startswith(setup.fit.note or "\n")
    )
    return replace(setup, train=train, test=test, notes=notes, fit=train.fit_to(setup.net.input_spec))


def composed(outer: Float[Tensor, "n 2 3"], inner: Float[Tensor, "n 2 3"]) -> Float[Tensor, "n 2 3"]:
    """Return affine transforms that apply first `inner`, then `outer`.

    Args:
        outer: matrices `[n 2 3]`.
        inner: matrices `[n 2 3]`.

    Returns:
        Matrices `[n 2 3]`.
    """
    linear = outer[:, :, :2] @ inner
    return torch.cat([linear[:, :, :2], linear[:, :, 2:] + outer[:, :, 2:]], 2)


def inverted(transforms: Float[Tensor, "n 2 3"]) -> Float[Tensor, "n 2 3"]:
    """Return the inverse affine transforms.

    Args:
        transforms: matrices `[n 2 3]` that can be inverted.

    Returns:
        Matrices `[n 2 3]`.
    """
    linear = torch.linalg.inv(transforms[:, :, :2])
    return torch.cat([linear, -linear @ transforms[:, :, 2:]], 2)


def poses_of(transforms: Float[Tensor, "n 2 3"]) -> dict[str, Tensor]:
    """Read angle, size and offset from affine transforms.

    Args:
        transforms: matrices `[n 2 3]`, in coordinates with x to the right and y downwards.

    Returns:
        `angle` of the nearest rotation in radians, clockwise; `size`, the logarithm of the factor of lengths;
        `right` and `down`, where the origin is taken to. Each `[n]`.
    """
    (a, b), (c, d) = ((row[:, 0], row[:, 1]) for row in transforms[:, :, :2].unbind(1))
    size = 0.5 * (a * d - b * c).abs().clamp_min(1e-12).log()
    return {
        "angle": torch.atan2(c - b, a + d),
        "size": size,
        "right": transforms[:, 0, 2],
        "down": transforms[:, 1, 2],
    }


def correlation(first: Float[Tensor, " n"], second: Float[Tensor, " n"]) -> float:
    """Compute Pearson's correlation; 0 where one of them does not vary.

    Args:
        first: numbers.
        second: as many numbers.

    Returns:
        The correlation, -1 to 1.
    """
    if min(float(one.std()) for one in (first, second)) < 1e-9:
        return 0.0
    return float(torch.corrcoef(torch.stack([first, second]).double())[0, 1])


def _theta(layer: SpatialTransformer, _: Tensor, features: Tensor) -> Tensor:
    """Return the transforms of a batch."""
    return layer.theta(features.float()).detach()


def _spread(values: Tensor, name: str) -> float:
    """Return the standard deviation; of angles, that of directions on the circle."""
    if name != "angle":
        return float(values.std())
    length = torch.polar(torch.ones_like(values), values).mean().abs().clamp(1e-6, 1)
    return (max(0.0, -2 * log(float(length)))) ** 0.5


def _regions(layer: SpatialTransformer, images: DistortedImages, found: SampledPoses) -> Finding:
    """Show test images with the sampled region, what was sampled, and the originals."""
    chosen = torch.arange(min(SHOWN, len(images)))
    theta, spec = found.theta[: len(chosen)], images.spec
    inputs = to_spec(images.pixels(chosen), spec)
    height, width = spec.size
    outputs = sample(inputs, theta, layer.size)
    originals = to_spec(images.originals.pixels(chosen), images.originals.spec)
    corners = torch.tensor([(*corner, 1.0) for corner in CORNERS])
    places = corners @ theta.transpose(1, 2)  # in -1 to 1 between the centres of the outermost pixels
    shares = ((places + 1) / 2 * torch.tensor([width - 1, height - 1]) + 0.5) / torch.tensor([width, height])
    return ImageRows(
        _HEADS,
        [list(row) for row in zip(inputs, outputs, originals, strict=True)],
        spec,
        *_LOOKED,
        [(outline, None, None) for outline in shares],
    )


def _angles(found: SampledPoses) -> Finding:
    """Show the angle of theta against the angle of the distortion."""
    wanted, angles = (poses_of(one)["angle"] for one in (inverted(found.poses), found.theta))
    values = torch.stack([wanted, angles], 1)[:POINTS] * (180 / pi)
    number = f"{correlation(wanted, angles):.3f}"
    spread = f"{degrees(float(angles.std())):.1f}"
    return Plot(
        {
            "en": "Angle of theta against the angle of the distortion",
            "zh": "theta 的角度与变形角度",
        },
        (
            {"en": "turn of the digit, degrees", "zh": "数字的旋转角（度）"},
            {"en": "angle of theta, degrees", "zh": "theta 的角度（度）"},
        ),
        [Series({"en": "test images", "zh": "测试图像"}, values)],
        {
            "en": f"Correlation {number}. One point for each of {len(values)} test images. On a line of "
            "slope 1 the transformer turns what it samples as far as the digit was turned; its height is "
            "free, since the classifier may like digits at any one angle. A transformer that does nothing "
            f"has all points at 0; here the standard deviation of the angle of theta is {spread} degrees.",
            "zh": f"相关系数 {number}。每个点是 {len(values)} 张测试图像之一。若各点在斜率为 1 的直线上，"
            "变换器采样时转过的角度与数字被转过的角度相同；直线的高低不限，因为分类器可以偏好任一角度。"
            f"什么都不做的变换器所有点都在 0；这里 theta 角度的标准差为 {spread} 度。",
        },
    )


_HEADS = (
    {"en": "input, and the sampled region", "zh": "输入与采样区域"},
    {"en": "what is sampled", "zh": "采样结果"},
    {"en": "before the distortion", "zh": "变形之前"},
)
_LOOKED = (
    {"en": "Where the spatial transformer looks", "zh": "空间变换器看向哪里"},
    {
        "en": "The outline over the input is the region that is sampled and handed to the classifier; at the "
        "right stands the digit before it was distorted, which the network never sees.",
        "zh": "输入上的轮廓是被采样并交给分类器的区域；右侧是变形之前的数字，网络从未见过它。",
    },
)
_NAMES: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
    "angle": ({"en": "angle", "zh": "角度"}, {"en": "degrees", "zh": "度"}),
    "size": ({"en": "size", "zh": "大小"}, {"en": "percent", "zh": "百分比"}),
    "right": ({"en": "horizontal position", "zh": "水平位置"}, {"en": "pixels", "zh": "像素"}),
    "down": ({"en": "vertical position", "zh": "竖直位置"}, {"en": "pixels", "zh": "像素"}),
}


def _table(found: SampledPoses) -> Finding:
    """Lay out poses before and after the transformer as a table."""
    rows = [
        (
            {
                language: f"{_NAMES[name][0][language]} ({_NAMES[name][1][language]})"
                for language in ("en", "zh")
            },
            (f"{before:.1f}", f"{after:.1f}", f"{alike:.3f}"),
        )
        for name, (before, after, alike) in found.rows().items()
    ]
    return NumberTable(
        {
            "en": "Poses of the test digits, before and after the transformer",
            "zh": "测试数字的姿态：变换器之前与之后",
        },
        (
            {"en": "spread in the input", "zh": "输入中的离散程度"},
            {"en": "spread in what is sampled", "zh": "采样结果中的离散程度"},
            {"en": "correlation", "zh": "相关系数"},
        ),
        rows,
        {
            "en": "Standard deviations over all test images; of positions, in pixels of the original. If "
            "every digit were brought to the same pose, the second column would be 0. The correlation is "
            "that of theta with the transform that would undo the distortion.",
            "zh": "全部测试图像上的标准差；位置以原图像素计。若每个数字都被带到同一姿态，第二列为 0。"
            "相关系数是 theta 与恰好抵消变形的变换之间的相关。",
        },
    )
