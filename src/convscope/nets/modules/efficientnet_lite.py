"""EfficientNet-lite0: separable convolutions with ReLU6 and without squeeze-and-excitation.

Source: Tan and Le 2019, EfficientNet, arXiv:1905.11946, table 1; the lite family:
github.com/tensorflow/tpu, models/official/efficientnet/lite. Layers carry the names that timm gives them in
`tf_efficientnet_lite0`, the identities included, so that an address holds for both.
"""

from math import sqrt
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from convscope.nets.modules.same import Conv2d

EPS = 1e-3
"""Epsilon of TensorFlow's batch normalisation; torch's default is 1e-5."""

STEM, HEAD = 32, 1280
"""Channels after the first and after the last convolution: the lite family scales neither."""

STAGES = (
    (1, 16, 3, 1, 1),
    (2, 24, 3, 2, 6),
    (2, 40, 5, 2, 6),
    (3, 80, 3, 2, 6),
    (3, 112, 5, 1, 6),
    (4, 192, 5, 2, 6),
    (1, 320, 3, 1, 6),
)
"""Blocks, channels out, kernel, stride of the first block, expansion (table 1; lite repeats no end stage)."""


def convolution(
    channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1, **where: Any
) -> nn.Conv2d:
    """Make a convolution without bias, padded as TensorFlow's `SAME`.

    With stride 1 and an odd kernel that is the same number of zeros on every side; with a larger stride the
    padding depends on the size of the input, and an odd zero is added after it.

    Args:
        channels: input channels.
        out: output channels.
        kernel: odd height and width of the kernel.
        stride: stride along both axes.
        groups: groups of channels; `channels` for a depthwise convolution.
        **where: further arguments of `nn.Conv2d`, such as `device`.

    Returns:
        The convolution.
    """
    if stride == 1:
        return nn.Conv2d(channels, out, kernel, padding=kernel // 2, groups=groups, bias=False, **where)
    return Conv2d(channels, out, kernel, stride, "same", groups=groups, bias=False, **where)


class BatchNormAct2d(nn.BatchNorm2d):
    """Batch normalisation followed by ReLU6, as timm's module of that name.

    Args:
        channels: number of channels.
        rectify: apply ReLU6; otherwise the activation is the identity.
        **where: further arguments of `nn.BatchNorm2d`, such as `device`.
    """

    def __init__(self, channels: int, *, rectify: bool = True, **where: Any) -> None:
        super().__init__(channels, eps=EPS, **where)
        self.drop = nn.Identity()
        self.act = nn.ReLU6(inplace=True) if rectify else nn.Identity()

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Normalise and activate.

        Args:
            input: maps `[b c h w]`.

        Returns:
            Maps of the same shape, in [0, 6] with ReLU6.
        """
        return self.act(self.drop(super().forward(input)))


class DepthwiseSeparableConv(nn.Module):
    """Depthwise separable convolution: one filter for each channel, then a 1x1 convolution.

    The input is added where shapes allow it. `aa`, `se` and `drop_path` are identities, kept for timm's
    names.

    Args:
        channels: input channels.
        out: output channels.
        kernel: height and width of the depthwise kernel.
        stride: stride of the depthwise convolution.
        **where: arguments of all layers, such as `device`.
    """

    def __init__(self, channels: int, out: int, kernel: int, stride: int, **where: Any) -> None:
        super().__init__()
        self.conv_dw = convolution(channels, channels, kernel, stride, channels, **where)
        self.bn1 = BatchNormAct2d(channels, **where)
        self.aa, self.se = nn.Identity(), nn.Identity()
        self.conv_pw = convolution(channels, out, 1, **where)
        self.bn2 = BatchNormAct2d(out, rectify=False, **where)
        self.drop_path = nn.Identity()
        self.has_skip = stride == 1 and channels == out

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b out oh ow"]:
        """Apply the block.

        Args:
            x: maps `[b c h w]`.

        Returns:
            Maps `[b out oh ow]`, with `oh = ceil(h / stride)`.
        """
        y = self.se(self.aa(self.bn1(self.conv_dw(x))))
        y = self.bn2(self.conv_pw(y))
        return self.drop_path(y) + x if self.has_skip else y


class InvertedResidual(nn.Module):
    """Inverted residual block: expand channels, depthwise convolution, linear projection.

    The input is added where shapes allow it. `aa`, `se` and `drop_path` are identities, kept for timm's
    names.

    Args:
        channels: input channels.
        out: output channels.
        kernel: height and width of the depthwise kernel.
        stride: stride of the depthwise convolution.
        expansion: factor by which channels are expanded.
        **where: arguments of all layers, such as `device`.

    Source: Sandler et al. 2018, MobileNetV2, arXiv:1801.04381, section 3.3.
    """

    def __init__(
        self, channels: int, out: int, kernel: int, stride: int, expansion: int, **where: Any
    ) -> None:
        super().__init__()
        wide = channels * expansion
        self.conv_pw = convolution(channels, wide, 1, **where)
        self.bn1 = BatchNormAct2d(wide, **where)
        self.conv_dw = convolution(wide, wide, kernel, stride, wide, **where)
        self.bn2 = BatchNormAct2d(wide, **where)
        self.aa, self.se = nn.Identity(), nn.Identity()
        self.conv_pwl = convolution(wide, out, 1, **where)
        self.bn3 = BatchNormAct2d(out, rectify=False, **where)
        self.drop_path = nn.Identity()
        self.has_skip = stride == 1 and channels == out

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b out oh ow"]:
        """Apply the block.

        Args:
            x: maps `[b c h w]`.

        Returns:
            Maps `[b out oh ow]`, with `oh = ceil(h / stride)`.
        """
        y = self.bn1(self.conv_pw(x))
        y = self.se(self.aa(self.bn2(self.conv_dw(y))))
        y = self.bn3(self.conv_pwl(y))
        return self.drop_path(y) + x if self.has_skip else y


class GlobalAvgPool(nn.Module):
    """Global average pooling, without the spatial axes in the result."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c"]:
        """Average over all positions.

        Args:
            x: maps `[b c h w]`.

        Returns:
            Means `[b c]`.
        """
        return self.flatten(self.pool(x))


class EfficientNetLite0(nn.Module):
    """EfficientNet-lite0, 4,652,008 parameters: stem, seven stages of blocks, head, linear classifier.

    Args:
        classes: outputs of the classifier.
        device: device of the weights; `meta` for weights that are assigned afterwards.
    """

    def __init__(self, classes: int = 1000, *, device: Any = None) -> None:
        super().__init__()
        self.conv_stem = convolution(3, STEM, 3, 2, device=device)
        self.bn1 = BatchNormAct2d(STEM, device=device)
        stages: list[nn.Module] = []
        channels = STEM
        for count, out, kernel, stride, expansion in STAGES:
            blocks: list[nn.Module] = []
            for number in range(count):
                step = 1 if number else stride
                if expansion == 1:
                    blocks.append(DepthwiseSeparableConv(channels, out, kernel, step, device=device))
                else:
                    blocks.append(InvertedResidual(channels, out, kernel, step, expansion, device=device))
                channels = out
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)
        self.conv_head = convolution(channels, HEAD, 1, device=device)
        self.bn2 = BatchNormAct2d(HEAD, device=device)
        self.global_pool = GlobalAvgPool()
        self.classifier = nn.Linear(HEAD, classes, device=device)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw fresh weights as the authors' TensorFlow code does.

        Convolutions from a normal distribution of variance 2 / (kernel area x outputs of one group), the
        classifier uniformly within 1 / sqrt(classes); normalisation starts as the identity. Does nothing on
        the meta device, where even trying would import torch's compiler.
        """
        if self.classifier.weight.is_meta:
            return
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                fan_out = part.kernel_size[0] * part.kernel_size[1] * part.out_channels // part.groups
                nn.init.normal_(part.weight, 0.0, sqrt(2 / fan_out))
        bound = 1 / sqrt(self.classifier.out_features)
        nn.init.uniform_(self.classifier.weight, -bound, bound)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b classes"]:
        """Compute the logits.

        Args:
            image: normalised images `[b 3 h w]`.

        Returns:
            Logits `[b classes]`.
        """
        x = self.blocks(self.bn1(self.conv_stem(image)))
        return self.classifier(self.global_pool(self.bn2(self.conv_head(x))))
