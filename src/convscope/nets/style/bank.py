"""StyleBank: one encoder, one decoder, and between them a bank of filters for each style.

Source: Chen, Yuan, Liao, Yu and Hua 2017, "StyleBank: An Explicit Representation for Neural Image Style
Transfer", CVPR, arXiv:1703.09210. Here a bank is a single convolution without norm or ReLU, and a periodic
texture ("grain") that is added, so that mixing banks is exactly the same as mixing their outputs. There is
no normalisation: the branch without a bank reconstructs the photograph, and regions and tiles do not
influence each other. Without normalisation a convolution would add no strokes where a photograph is flat;
the grain does. The palette of each painting is stored beside its bank, for `palette.with_palettes`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from convscope.errors import UsageError, nearest
from convscope.nets.style.palette import (
    MOST_GAIN,
    ColourStatistics,
    colour_map,
    colour_statistics,
    from_numbers,
    to_numbers,
)
from convscope.nets.style.parts import (
    STEP,
    FeedForwardStyleNet,
    Maps,
    Residual,
    UpsampleConv,
    any_size,
    as_picture,
    convolution,
    last,
    unit,
)

MEAN, STD = 0.5, 0.25
"""Approximate mean and standard deviation of photographs in [0, 1], which normalise input and output."""
PLAIN = "photo"
"""Name of the branch without a bank, which reconstructs the photograph."""
ROUNDING = 1e-6
"""Weights whose sum is closer to 1 than this leave no weight for the photograph."""
NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")

PERIODS = (29, 37)
"""Periods of the grain, in positions of the smallest maps; together 1,073 positions, or 4,292 pixels."""
Corner = tuple[int, int]
"""Row and column of a tile's first position in the whole image, in positions of the smallest maps."""

Weights = Float[Tensor, "#b k"]
"""Weight of each style: one row per image, or one for all."""


@dataclass(frozen=True)
class StyleBankConfig:
    """Configuration of a StyleBank.

    Args:
        styles: names of the banks, in order.
        width: channels at full size; twice as many at half, four times at a quarter of it.
        before: residual blocks of the encoder.
        after: residual blocks of the decoder.
        reach: height and width of a bank's filters.
        palettes: statistics of paintings' colours (`palette.to_numbers`), by the names of their styles.

    Raises:
        UsageError: a size is out of range, or a name or a palette is not usable.
    """

    styles: tuple[str, ...]
    width: int = 16
    before: int = 1
    after: int = 4
    reach: int = 3
    palettes: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        within = 4 <= self.width <= 128 and 0 <= self.before <= 16 and 0 <= self.after <= 16
        if not within or self.reach not in (1, 3, 5, 7):
            raise UsageError(
                "a width of 4 to 128, up to 16 blocks, and filters of 1, 3, 5 or 7", received=str(self)
            )
        wrong = [name for name in self.styles if not NAME.fullmatch(name) or name == PLAIN]
        if wrong or len(set(self.styles)) != len(self.styles) or not self.styles:
            raise UsageError(
                "different names for styles, of a-z, 0-9 and -, beginning with a letter",
                received=", ".join(wrong or self.styles) or "none",
                hint=f"{PLAIN} is taken: it is the photograph itself." if PLAIN in wrong else "",
            )
        if not isinstance(self.palettes, Mapping) or not set(self.palettes) <= set(self.styles):
            raise UsageError("palettes of styles by their names", received=str(self.palettes)[:100])
        for numbers in self.palettes.values():
            from_numbers(numbers)


class StyleFilter(nn.Module):
    """Bank of one style: a convolution and a grain, the sum of two textures of different periods.

    Its output is linear in its parameters, so banks can be mixed before they are applied.

    Args:
        channels: channels of the features.
        reach: height and width of the filters.
    """

    def __init__(self, channels: int, reach: int) -> None:
        super().__init__()
        self.filters = convolution(channels, channels, reach)
        if not self.filters.weight.is_meta:
            with torch.no_grad():
                self.filters.weight.mul_(0.1)
                self.filters.weight.add_(nn.init.dirac_(torch.empty_like(self.filters.weight)))
        self.grain = nn.ParameterList([torch.zeros(channels, period, period) for period in PERIODS])

    def forward(self, features: Maps, corner: Corner = (0, 0)) -> Maps:
        """Apply the bank to features.

        Args:
            features: features `[b c h w]` at a quarter of the image's size.
            corner: where the features lie in the whole image.

        Returns:
            Features of the same shape.
        """
        return answer(features, tuple(self.parameters()), corner)


def answer(features: Maps, bank: Sequence[Tensor], corner: Corner) -> Maps:
    """Apply a bank, or a weighted sum of banks, to features.

    Args:
        features: features `[b c h w]` at a quarter of the image's size; padded by reflection.
        bank: filters, biases, and the textures of the grain.
        corner: where the features lie in the whole image, so that the grain continues across tiles.

    Returns:
        Features of the same shape.
    """
    filters, biases, *grain = bank
    margin = filters.shape[-1] // 2
    wider = functional.pad(features, (margin,) * 4, mode="reflect") if margin else features
    made = functional.conv2d(wider, filters, biases)
    for texture in grain:
        made = made + repeated(texture, features.shape[-2:], corner).to(made)
    return made


def repeated(
    texture: Float[Tensor, "c p p"], size: Sequence[int], corner: Corner
) -> Float[Tensor, "1 c _ _"]:
    """Tile a texture periodically over an area.

    Args:
        texture: one period, `[c p p]`.
        size: height and width of the area.
        corner: row and column of the area's first position in the whole image.

    Returns:
        The area, `[1 c height width]`.
    """
    period = texture.shape[-1]
    down, across = (
        (torch.arange(extent, device=texture.device) + start) % period
        for extent, start in zip(size, corner, strict=True)
    )
    return texture[:, down][:, :, across][None]


class StyleBank(FeedForwardStyleNet):
    """StyleBank for normalised photographs `[b 3 h w]` of any size; the result is in [0, 1], not clipped.

    Args:
        form: the configuration.
    """

    kind, shape = "stylebank", StyleBankConfig
    form: StyleBankConfig

    def __init__(self, form: StyleBankConfig) -> None:
        super().__init__(form)
        w = form.width
        self.encoder = nn.Sequential(
            unit(3, w, 5),
            unit(w, 2 * w, 3, 2),
            unit(2 * w, 4 * w, 3, 2),
            *(Residual(4 * w) for _ in range(form.before)),
        )
        self.banks = nn.ModuleDict({name: StyleFilter(4 * w, form.reach) for name in form.styles})
        self.decoder = nn.Sequential(
            *(Residual(4 * w) for _ in range(form.after)),
            UpsampleConv(4 * w, 2 * w),
            UpsampleConv(2 * w, w),
            last(w),
        )

    @property
    def styles(self) -> tuple[str, ...]:
        """Names of the banks."""
        return self.form.styles

    @property
    def halo(self) -> int:
        """Radius of the receptive field in pixels, rounded up to whole steps of the smallest maps."""
        blocks = self.form.before + self.form.after
        radius = 2 + 1 + 2 + 4 * (self.form.reach // 2) + 8 * blocks + 4 + 2 + 2
        return -(-radius // STEP) * STEP

    @property
    def numbers_per_pixel(self) -> int:
        """Peak memory for each output pixel, in values, approximately: that of the last upsampling."""
        return 7 * self.form.width

    def forward(
        self,
        images: Maps,
        weights: Weights | None = None,
        regions: Maps | None = None,
        corner: Corner = (0, 0),
    ) -> Maps:
        """Stylize photographs.

        Args:
            images: normalised photographs `[b 3 h w]`, of any size.
            weights: weight of each style, `[1 k]` or `[b k]`, in the order of `styles`; the first style
                alone if left out. What is missing from a sum of 1 is the weight of the photograph itself.
            regions: used in place of weights: weight of each style at each pixel, `[1 k h w]`.
            corner: where the images lie in a larger image, in `STEP`s of pixels.

        Returns:
            Stylized images `[b 3 h w]` in [0, 1], not clipped.
        """
        if weights is None:
            weights = self.weights({self.styles[0]: 1.0})
        if regions is None:
            return any_size(lambda x: self.decode(self.filtered(self.encode(x), weights, corner)), images)
        masked = torch.cat([images, regions.expand(len(images), -1, -1, -1)], 1)
        return any_size(lambda x: self.decode(self.divided(self.encode(x[:, :3]), x[:, 3:], corner)), masked)

    def identity(self, images: Maps) -> Maps:
        """Reconstruct photographs by the branch without a bank.

        Args:
            images: normalised photographs `[b 3 h w]`, of any size.

        Returns:
            Images `[b 3 h w]` in [0, 1], not clipped.
        """
        return any_size(lambda x: self.decode(self.encode(x)), images)

    def encode(self, images: Maps) -> Maps:
        """Encode photographs as features at a quarter of the size.

        Args:
            images: normalised photographs `[b 3 h w]`, sides multiples of `STEP`.

        Returns:
            Features `[b c h/4 w/4]`, with `c` four times the width.
        """
        return self.encoder(images)

    def decode(self, features: Maps) -> Maps:
        """Decode features to images.

        Args:
            features: features `[b c h w]`.

        Returns:
            Images `[b 3 4h 4w]` in [0, 1], not clipped.
        """
        return as_picture(self.decoder(features), MEAN, STD)

    def filtered(self, features: Maps, weights: Weights, corner: Corner = (0, 0)) -> Maps:
        """Apply the mixture of banks given by each row of weights.

        Args:
            features: features `[b c h w]`.
            weights: weight of each style, `[1 k]` or `[b k]`.
            corner: where the features lie in the whole image.

        Returns:
            Features of the same shape.
        """
        if len(weights) == 1:
            return answer(features, self.fused(weights[0]), corner)
        pairs = zip(features.split(1), weights, strict=True)
        return torch.cat([answer(one, self.fused(row), corner) for one, row in pairs])

    def divided(self, features: Maps, regions: Maps, corner: Corner = (0, 0)) -> Maps:
        """Apply each bank where its region is, and sum by weight.

        Args:
            features: features `[b c h w]`.
            regions: weight of each style at each pixel, `[b k H W]`; averaged to the features' size. What
                is missing from a sum of 1 is the weight of the features themselves.
            corner: where the features lie in the whole image.

        Returns:
            Features of the same shape.
        """
        shares = functional.interpolate(regions, features.shape[-2:], mode="area")
        total = features * (1 - shares.sum(1, keepdim=True))
        for index, name in enumerate(self.styles):
            if bool(shares[:, index].any()):
                total = total + self.banks[name](features, corner) * shares[:, index : index + 1]
        return total

    def fused(self, row: Float[Tensor, " k"]) -> tuple[Tensor, ...]:
        """Fuse banks into one by weighted sums of their parameters.

        Args:
            row: weight of each style, `[k]`. What is missing from a sum of 1 is the weight of the identity.

        Returns:
            Filters, biases and textures of the fused bank, as for `answer`.
        """
        shares = [(share, self.banks[name]) for share, name in zip(row.tolist(), self.styles, strict=True)]
        banks = [(share, tuple(bank.parameters())) for share, bank in shares if share]
        if len(banks) == 1 and banks[0][0] == 1:
            return banks[0][1]
        fused = [torch.zeros_like(part) for part in self.banks[self.styles[0]].parameters()]
        for share, bank in banks:
            fused = [total + share * part for total, part in zip(fused, bank, strict=True)]
        rest = 1 - sum(share for share, _ in banks)
        if abs(rest) > ROUNDING:
            fused[0] = fused[0] + nn.init.dirac_(torch.empty_like(fused[0])) * rest
        return tuple(fused)

    def weights(self, mixture: dict[str, float]) -> Float[Tensor, "1 k"]:
        """Make a row of weights for `forward`.

        Args:
            mixture: weight by name of style; `photo` may be named, and gets what is missing from a sum of 1
                whatever its value.

        Returns:
            Weights `[1 k]` in the order of `styles`, 0 for styles that are not named, on the network's
            device.

        Raises:
            UsageError: a style has no bank.
        """
        for name in mixture:
            if name not in self.styles and name != PLAIN:
                raise UsageError(
                    "the name of a style", received=name, hint=nearest(name, (*self.styles, PLAIN))
                )
        row = [mixture.get(name, 0.0) for name in self.styles]
        some = next(self.parameters())
        return torch.tensor([row], device=some.device, dtype=some.dtype)

    def set_palette(self, name: str, painting: Float[Tensor, "3 h w"]) -> None:
        """Store the statistics of a painting's colours with its style, for `colour_maps`.

        Args:
            name: name of the style.
            painting: RGB image in [0, 1].
        """
        palettes = {**self.form.palettes, name: to_numbers(colour_statistics(painting))}
        self.form = replace(self.form, palettes=palettes)

    def colour_maps(self, photo: ColourStatistics) -> dict[str, Float[Tensor, "3 4"]]:
        """Return the map from a photograph's colours to those of each painting that is known.

        Args:
            photo: statistics of the photograph's colours.

        Returns:
            Maps by style, for `palette.with_palettes`.
        """
        return {
            name: colour_map(photo, from_numbers(numbers), MOST_GAIN)
            for name, numbers in self.form.palettes.items()
        }

    def shared(self) -> Sequence[nn.Parameter]:
        """Return the parameters that all styles use: those of encoder and decoder."""
        return [*self.encoder.parameters(), *self.decoder.parameters()]

    def with_style(self, name: str) -> "StyleBank":
        """Return a copy with one more bank, which starts as the mean of the others.

        Args:
            name: name of the new style.

        Returns:
            The copy, on the same device and in the same mode.

        Raises:
            UsageError: the name is taken or not usable.
        """
        grown = StyleBank(replace(self.form, styles=(*self.form.styles, name)))
        grown.load_state_dict(self.state_dict(), strict=False)
        with torch.no_grad():
            for part, value in grown.banks[name].named_parameters():
                others = [self.banks[other].get_parameter(part).data for other in self.styles]
                value.copy_(torch.stack(others).mean(0))
        return grown.to(next(self.parameters()).device).train(self.training)
