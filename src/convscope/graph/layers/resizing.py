"""Adaptive and global pooling, upsampling, shortcuts that make maps smaller, and spatial transformers."""

from dataclasses import dataclass
from math import gcd
from typing import ClassVar

from typing_extensions import override

from convscope.errors import GraphError
from convscope.graph.layer import EVERYTHING, Layer, Window
from convscope.graph.layers.dense import features
from convscope.graph.options import Extent, choice, numbers, per_axis, whole
from convscope.graph.spec import Shape
from convscope.graph.window_geometry import spatial, times


@dataclass(frozen=True)
class _AdaptivePool(Layer):
    """Options and arithmetic of adaptive pooling; the number of spatial axes is `rank`."""

    output_size: Extent
    rank: ClassVar[int]
    family = "pool"
    positional = ("output_size",)

    def __post_init__(self) -> None:
        per_axis(self, self.rank, "output_size")

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the channels of the input, and `output_size` as spatial extent."""
        return (spatial(self, self.rank, shapes[0])[0], *numbers(self.output_size))

    @override
    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Return the windows: output k of m reads positions floor(k n / m) to ceil((k + 1) n / m) - 1."""
        return (tuple(map(_share, shapes[0][1:], numbers(self.output_size))),)


def _share(extent: int, outputs: int) -> Window:
    """Return the window of adaptive pooling along one axis."""
    common = gcd(extent, outputs)
    n, m = extent // common, outputs // common
    return Window(size=n + m - 1, stride=n, start=1 - m, up=m)


@dataclass(frozen=True)
class AdaptiveAvgPool1d(_AdaptivePool):
    """Adaptive average pooling along one axis: the mean of each of `output_size` equal parts."""

    kind = "adaptiveavgpool1d"
    implementation = "torch.nn.AdaptiveAvgPool1d"
    rank = 1


@dataclass(frozen=True)
class AdaptiveAvgPool2d(_AdaptivePool):
    """Adaptive average pooling over height and width: the mean of each of `output_size` equal parts."""

    kind = "adaptiveavgpool2d"
    implementation = "torch.nn.AdaptiveAvgPool2d"
    rank = 2


@dataclass(frozen=True)
class AdaptiveMaxPool1d(_AdaptivePool):
    """Adaptive max pooling along one axis: the largest value of each of `output_size` equal parts."""

    kind = "adaptivemaxpool1d"
    implementation = "torch.nn.AdaptiveMaxPool1d"
    rank = 1


@dataclass(frozen=True)
class AdaptiveMaxPool2d(_AdaptivePool):
    """Adaptive max pooling over height and width: the largest value of each of `output_size` equal parts."""

    kind = "adaptivemaxpool2d"
    implementation = "torch.nn.AdaptiveMaxPool2d"
    rank = 2


@dataclass(frozen=True)
class _GlobalPool(Layer):
    """Arithmetic of global pooling over any number of spatial axes."""

    family = "pool"

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return one value for each channel, as a vector."""
        if len(shapes[0]) < 2:
            received = times(shapes[0])
            raise GraphError(
                f"channels with at least one spatial axis for {self.kind} to read",
                received=received,
                hint="Put it before flatten and dense layers.",
            )
        return shapes[0][:1]

    @override
    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Return the whole of every axis."""
        return ((EVERYTHING,) * (len(shapes[0]) - 1),)


@dataclass(frozen=True)
class GlobalAvgPool(_GlobalPool):
    """Global average pooling: the mean of each channel."""

    kind = "globalavgpool"
    implementation = "convscope.nets.modules.pool.GlobalAvgPool"


@dataclass(frozen=True)
class GlobalMaxPool(_GlobalPool):
    """Global max pooling: the largest value of each channel."""

    kind = "globalmaxpool"
    implementation = "convscope.nets.modules.pool.GlobalMaxPool"


@dataclass(frozen=True)
class Upsample(Layer):
    """Upsampling of the spatial axes by a whole factor.

    Attributes:
        scale_factor: a whole number, or one for each axis.
        mode: `nearest` repeats values, `linear` (signals) and `bilinear` (images) interpolate between the
            centres of pixels.
    """

    scale_factor: Extent = 2
    mode: str = "nearest"
    kind = "upsample"
    implementation = "torch.nn.Upsample"
    positional = ("scale_factor",)

    def __post_init__(self) -> None:
        rank = 1 if isinstance(self.scale_factor, int) else 2
        factors = self.scale_factor
        per_axis(self, rank, "scale_factor")
        if isinstance(factors, int) or len(set(factors)) == 1:
            object.__setattr__(self, "scale_factor", numbers(self.scale_factor)[0])
        choice(self, "mode", ("nearest", "linear", "bilinear"))

    def _factors(self, shape: Shape) -> tuple[int, ...]:
        """Return one factor for each spatial axis of the input, and check that the mode fits their number."""
        rank = len(shape) - 1
        if rank not in (1, 2) or (self.mode, rank) in (("linear", 2), ("bilinear", 1)):
            wanted = {"linear": "channels x width", "bilinear": "channels x height x width"}
            reads = wanted.get(self.mode, "channels with one or two spatial axes")
            raise GraphError(
                f"{reads}, for upsample with mode={self.mode} to read",
                received=times(shape),
                hint="Choose another mode, or put it before flatten.",
            )
        factors = numbers(self.scale_factor)
        factors = factors * rank if len(factors) == 1 else factors
        if len(factors) != rank:
            raise GraphError(
                "upsample: one scale_factor for each axis",
                received=f"{factors} for {times(shape)}",
                hint="Give one factor for all axes, or one for each.",
            )
        return factors

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the channels of the input, and its spatial extent times the factors."""
        grown = (n * f for n, f in zip(shapes[0][1:], self._factors(shapes[0]), strict=True))
        return (shapes[0][0], *grown)

    @override
    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Return the windows of the interpolation.

        With factor f, `nearest` reads input floor(k / f), the others read the inputs less than 1 away from
        (k + 1/2) / f - 1/2.
        """
        factors = self._factors(shapes[0])
        if self.mode == "nearest":
            return (tuple(Window(size=f, start=1 - f, up=f) for f in factors),)
        return (tuple(Window(size=4 * f - 1, stride=2, start=2 - 3 * f, up=2 * f) for f in factors),)

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return those of `torch.nn.Upsample`."""
        return {"scale_factor": tuple(map(float, self._factors(shapes[0]))), "mode": self.mode}


@dataclass(frozen=True)
class Shortcut(Layer):
    """Parameter-free shortcut of a residual network: every `stride`-th value, and channels of zeros.

    Attributes:
        zeros: number of channels of zeros that are added, half of them before the others and half behind.
        stride: distance between the values that are kept, along height and width.

    Source: He, Zhang, Ren and Sun 2015, Deep Residual Learning, arXiv:1512.03385, section 3.3, option A.
    """

    zeros: int
    stride: int = 1
    kind = "shortcut"
    implementation = "convscope.nets.modules.merge.Shortcut"
    positional = ("zeros", "stride")

    def __post_init__(self) -> None:
        whole(self, "zeros", least=0)
        whole(self, "stride")

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the channels with those of zeros, and the size along each axis."""
        channels, sizes = spatial(self, 2, shapes[0])
        return (channels + self.zeros, *(-(-size // self.stride) for size in sizes))

    @override
    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Return windows of one value each."""
        return ((Window(stride=self.stride),) * 2,)


@dataclass(frozen=True)
class SpatialTransformer(Layer):
    """Spatial transformer: maps sampled by an affine transform that is predicted from features.

    It reads the maps, and the features of a localisation network, of which it is the last layer:
    `theta = W f + b` of 2 rows and 3 columns, W = 0 and b the identity before training. Output position
    `(x, y)` is the bilinear interpolation of the maps at `theta (x, y, 1)`, zeros outside; coordinates go
    from -1 to 1 between the centres of the outermost pixels (`align_corners=True` in torch).

    Attributes:
        size: height and width of the output: one number, or one for each axis; those of the maps if None.

    Source: Jaderberg, Simonyan, Zisserman and Kavukcuoglu 2015, Spatial Transformer Networks, section 3,
        arXiv:1506.02025.
    """

    size: Extent | None = None
    kind = "spatialtransformer"
    implementation = "convscope.nets.modules.classics.spatial_transformer.SpatialTransformer"
    family = "transformer"
    positional = ("size",)
    inputs = (2, 2)

    def __post_init__(self) -> None:
        if self.size is not None:
            per_axis(self, 2, "size")

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the channels of the maps, and `size` as spatial extent."""
        channels, sizes = spatial(self, 2, shapes[0])
        features(self, shapes[1])
        return (channels, *(sizes if self.size is None else numbers(self.size)))

    @override
    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """Return `weight` (6, features) and `bias` (6,): the six numbers of the affine transform."""
        return {"weight": (6, shapes[1][0]), "bias": (6,)}

    @override
    def filter_weights(self, *shapes: Shape) -> int:
        """Return the number of features."""
        return shapes[1][0]

    @override
    def macs(self, *shapes: Shape) -> int:
        """Return those of the prediction, and of 6 for each position that is computed."""
        _, height, width = self.output_shape(*shapes)
        return 6 * (shapes[1][0] + height * width)

    @override
    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Return the whole of the maps: where an output reads depends on the features."""
        return ((EVERYTHING,) * 2, ())

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return the number of features, and the output size."""
        return {"in_features": shapes[1][0], "size": self.output_shape(*shapes)[1:]}
