"""Build the objective of style transfer at each size, from images, masks, guides and a recipe."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convscope.errors import DataError, MissingError, UsageError
from convscope.nets import LayerAddress, Net, takes_network
from convscope.nets.style.losses import style_loss
from convscope.nets.style.palette import apply_colour_map, colour_map, colour_statistics
from convscope.recipe import in_bytes
from convscope.see.optimize.objectives.objective import Objective
from convscope.see.optimize.objectives.regularizers import total_variation
from convscope.see.optimize.tiling.evaluate import iter_tiled_activations
from convscope.see.optimize.tiling.geometry import TileConfig
from convscope.see.style import color, regions
from convscope.see.style.layers import Layers, adapted, chosen
from convscope.see.style.objectives import CorrelationLoss, content_match, gram_loss
from convscope.see.style.recipe import StyleRecipe
from convscope.worlds import InputLike, open_mask, open_whole, photos

COARSEST = 64
"""Smallest longer side of the coarsest image in pixels, where the number of scales is not given. There the
receptive fields of the deepest style layers cover the image, so that swirls and stars as large as these are
formed at all."""
LOOSE = 0.2
"""Share of the content weight at the coarsest of several scales, where the style arranges large shapes; the
content's detail is added later (`detail.with_detail_of`)."""
COLOUR_SIZE = 256
"""Longer side in pixels to which images are reduced before their colours are compared."""
STRENGTH = 100.0
"""neural-style's weight of style; its weight of content is 5."""
STEP = 256.0
"""Pixel values of neural-style range from 0 to this."""
TINY = 1e-12
WHOLE = 1024 * 1024
"""Number of pixels up to which images are evaluated without tiles, where no memory limit is given."""
PART = TileConfig(512 * 512)
"""Tile size for larger images, where no gradients are needed."""
SHORT = TileConfig(256 * 512)
"""Tile size where memory is short: about 0.4 GB of VGG16's feature maps."""
NEEDED = 3200
"""Approximate bytes for each pixel that is evaluated without gradients: VGG16's feature maps."""
SPARED = 0.4
"""Share of the memory limit that may be used by one forward pass; the rest is for everything else."""


@dataclass(frozen=True, eq=False)
class ScaleObjective:
    """The objective at one size, and its parts.

    Attributes:
        size: height and width.
        content: the content image at this size, in [0, 1]; grey where only luminance is changed.
        start: the image to start from, and whose detail is added: the content image, in the colours of the
            paintings where the scaling is `relative`.
        mask: how much of the style each pixel gets; None for all of it everywhere.
        style: style loss by layer, relative to what there is to reach.
        values: content loss by layer, relative to the energy of the target activations.
        goal: the objective to maximise: the negative weighted sum of all losses.
    """

    size: tuple[int, int]
    content: Float[Tensor, "1 3 h w"]
    start: Float[Tensor, "1 3 h w"]
    mask: Float[Tensor, "1 1 h w"] | None
    style: dict[str, Objective]
    values: dict[str, Objective]
    goal: Objective


class StyleProblem:
    """Images, masks and guides of a style transfer, and the layers in which they are compared.

    All images have values from 0 to 1 and are what `worlds.open_whole` takes.

    Args:
        net: a trained network for RGB images.
        picture: the content image.
        paintings: the style images, of any size.
        recipe: the settings.
        mask: how much of the style each pixel gets, as `worlds.open_mask` takes it; None for all of it.
        guide: regions of the content image as flat colours.
        style_guides: regions of each style image as the same flat colours.

    Raises:
        PlaceError: a layer is not in this network.
        UsageError: the network does not take a single RGB image, or has no layers with feature maps.
        MissingError: the network is untrained, and the recipe does not allow it.
        DataError: the mask is 0 everywhere, the guides have too many or different colours, or a mask or guide
            has other proportions than its image.
    """

    def __init__(
        self,
        net: Net,
        picture: InputLike,
        paintings: Sequence[InputLike],
        recipe: StyleRecipe,
        *,
        mask: InputLike | None = None,
        guide: InputLike | None = None,
        style_guides: Sequence[InputLike] = (),
    ) -> None:
        self.net = adapted(checked(net, recipe), recipe.pool)
        self.recipe, self.layers = recipe, chosen(net, recipe.style_layer, recipe.content_layer)
        self.mask = None if mask is None else open_mask(mask)[None]
        if self.mask is not None and not bool(self.mask.any()):
            raise DataError("a mask with some white", received="only black", hint="White is where to paint.")
        # Content and smoothness are means over the whole image: without it, style would count more in a mask.
        self.painted_share = 1.0 if self.mask is None else float(self.mask.mean())
        self.picture = opened(picture)
        if self.mask is not None:
            photos.require_same_aspect(_size(self.mask), _size(self.picture), "a mask")
        self.paintings = [_coloured(opened(one), self.picture, recipe.color) for one in paintings]
        self.colour_root = None
        if recipe.scaling == "relative":
            self.colour_root = color.detail_covariance_root(map(_reduced, self.paintings), recipe.shares)
        self.sizes = sizes((self.picture.shape[1], self.picture.shape[2]), recipe)
        self.guide, self.style_guides, self.colours = None, [], 1
        if guide is not None:
            self._set_guides(opened(guide), [opened(one) for one in style_guides])
        self.colour_maps: list[Tensor] = []
        if recipe.scaling == "relative" and recipe.color == "style":
            self.colour_maps = [self._colour_map(number) for number in range(self.colours)]

    def _colour_map(self, number: int) -> Tensor:
        """Return the map from a region's colours to those of the paintings' regions, as if these were one."""
        picture = _reduced(self.picture)
        where = self._regions((picture.shape[1], picture.shape[2]))
        weights = None if where is None else where[number]
        if weights is not None and not bool(weights.any()):  # nothing of it is painted
            return torch.eye(3, 4, dtype=torch.float64)
        total, parts = 0.0, []
        for k, (painting, share) in enumerate(zip(self.paintings, self.recipe.shares, strict=True)):
            reduced = _reduced(painting)
            theirs = None
            if self.style_guides:
                region = self.style_guides[k][number]
                if float(region.mean()) < regions.LEAST:
                    continue
                theirs = F.interpolate(region[None, None], size=reduced.shape[1:], mode="area")[0, 0]
            own, wanted = colour_statistics(picture, weights), colour_statistics(reduced, theirs)
            parts.append(share * colour_map(own, wanted))
            total += share
        return torch.stack(parts).sum(0) / total if total else torch.eye(3, 4, dtype=torch.float64)

    def _regions(self, size: tuple[int, int]) -> Float[Tensor, "r h w"] | None:
        """Return each pixel's share in each region of the guide, inside the mask; None for all of it."""
        mask = None if self.mask is None else resized(self.mask[None], size)[0]
        if self.guide is None:
            return mask
        guide = F.interpolate(self.guide[None], size=size, mode="area")[0]
        return guide if mask is None else guide * mask

    def _start(self, content: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
        """Return the content image with each region in the colours of the paintings' region."""
        if not self.colour_maps:
            return content
        mapped = [apply_colour_map(content[0], one.to(content.device)) for one in self.colour_maps]
        if self.guide is None:
            return mapped[0].clamp(0, 1)[None]
        size = (content.shape[2], content.shape[3])
        guide = F.interpolate(self.guide[None], size=size, mode="area")[0]
        return sum(
            (one.clamp(0, 1) * share for one, share in zip(mapped, guide, strict=True)),
            torch.zeros_like(content[0]),
        )[None]

    def _set_guides(self, guide: Tensor, style_guides: Sequence[Tensor]) -> None:
        """Divide the images into regions of one colour."""
        photos.require_same_aspect(_size(guide), _size(self.picture), "a guide")
        for one, painting in zip(style_guides, self.paintings, strict=True):
            photos.require_same_aspect(_size(one), _size(painting), "a style guide", "painting")
        found, theirs = regions.palette(guide), [regions.palette(g) for g in style_guides]
        regions.check(found, theirs)
        self.colours = len(found)
        self.guide = regions.regions(guide, found)
        self.style_guides = [
            regions.regions(g, [*found, *_strangers(other, found)])[: len(found)]
            for g, other in zip(style_guides, theirs, strict=True)
        ]

    def scale_objective(self, size: tuple[int, int]) -> ScaleObjective:
        """Build the objective at one size.

        Args:
            size: height and width in pixels.

        Returns:
            The objective with its parts, resolved in the network.
        """
        content = resized(self.picture[None], size)
        if self.recipe.color == "luminance":
            content = color.luminance(content).expand(-1, 3, -1, -1)
        start = self._start(content)
        mask = None if self.mask is None else resized(self.mask[None], size)
        style, weights = self._style(size)
        values, more = self._content(content)
        recipe = self.recipe
        loose = recipe.scaling == "relative" and len(self.sizes) > 1 and size == self.sizes[0]
        content_weight = recipe.content_weight * (LOOSE if loose else 1.0)
        goal = Objective()
        for name, objective in style.items():
            goal = goal - self.painted_share * weights[name] * objective
        for name, objective in values.items():
            goal = goal - content_weight * more[name] * objective
        if recipe.smooth:
            goal = goal - recipe.smooth * self._smoothness(content) * total_variation()
        return ScaleObjective(size, content, start, mask, style, values, goal.resolve(self.net))

    def _style(self, size: tuple[int, int]) -> tuple[dict[str, Objective], dict[str, float]]:
        """Return the relative style losses by layer, of correlations or Gram matrices, and their weights."""
        wanted = self._wanted(size)
        regions = self._regions(size)
        counts = (1.0,) if regions is None else _shares(regions)
        found, weights = {}, {}
        for place, moments, depth in zip(wanted, wanted.values(), depth_weights(len(wanted)), strict=True):
            if self.recipe.scaling == "relative":
                found[str(place)] = Objective.of(CorrelationLoss(place, moments.detach(), regions, counts))
                weights[str(place)] = depth
                continue
            grams = moments[..., :-1]
            energy = sum(
                count * float(style_loss(torch.zeros_like(a)[None], a[None]))
                for count, a in zip(counts, grams, strict=True)
            )
            share = 1 / max(energy, TINY)
            found[str(place)] = share * gram_loss(place, grams, regions, counts)
            filters = grams.shape[-1]
            weights[str(place)] = {
                "gatys": energy / len(wanted),
                "neural-style": STRENGTH * 4 / filters**2 * energy,
            }[self.recipe.scaling]
        return found, weights

    def _wanted(self, size: tuple[int, int]) -> dict[LayerAddress, Tensor]:
        """Return each layer's target moments `[r c c+1]`: a weighted mean over style images."""
        longest = max(size) * self.recipe.style_scale
        totals: dict[LayerAddress, Tensor] = {}
        sums = torch.zeros(self.colours)
        for number, (painting, share) in enumerate(zip(self.paintings, self.recipe.shares, strict=True)):
            own = fitted((painting.shape[1], painting.shape[2]), longest)
            region = self.style_guides[number] if self.style_guides else None
            here = torch.ones(1) if region is None else (region.flatten(1).mean(1) >= regions.LEAST).float()
            sums += share * here
            looked_at, memory = resized(painting[None], own), self.recipe.memory
            for place, found in moment_targets(self.net, looked_at, self.layers, region, memory):
                weighed = found * (share * here).to(found.device)[:, None, None]
                totals[place] = totals[place] + weighed if place in totals else weighed
        scale = (1 / sums.clamp_min(TINY))[:, None, None]
        return {place: total * scale.to(total.device) for place, total in totals.items()}

    def _content(self, content: Tensor) -> tuple[dict[str, Objective], dict[str, float]]:
        """Return the relative content losses by layer, and their weights."""
        if not self.layers.content or not self.recipe.content_weight:
            return {}, {}
        values, weights = {}, {}
        for place, maps in content_features(
            self.net, content, self.layers.content, self.recipe.memory
        ).items():
            energy = float(maps.square().mean().clamp_min(TINY))
            values[str(place)] = content_match(place, maps[0]) / energy
            weights[str(place)] = {
                "relative": 1 / len(self.layers.content),
                "gatys": energy * maps[0].numel() / 2 / len(self.layers.content),
                "neural-style": STRENGTH * energy,
            }[self.recipe.scaling]
        return values, weights

    def _smoothness(self, content: Tensor) -> float:
        """Return the weight of one unit of total variation, for values from 0 to 1."""
        low, high = self.net.input_spec.value_range
        unit = 1 / (high - low)
        scale = {"relative": 1 / content[0, 0].numel(), "gatys": 1.0, "neural-style": STEP}
        return unit * scale[self.recipe.scaling]


def opened(image: InputLike) -> Float[Tensor, "3 h w"]:
    """Read an RGB image whole, with values from 0 to 1.

    Args:
        image: what `worlds.open_whole` takes.

    Returns:
        The image at its own size.

    Raises:
        DataError: it cannot be read, or is no RGB image.
    """
    return open_whole(image, photos.SPEC).input.float()


def _size(image: Float[Tensor, "c h w"]) -> tuple[int, int]:
    return image.shape[1], image.shape[2]


def depth_weights(count: int) -> list[float]:
    """Return the weights of style layers: the k-th counts k times as much as the first.

    Shallow layers reach the painting's correlations in a few steps, by grain; strokes and swirls are seen in
    deep ones, whose gradients are smaller.

    Args:
        count: number of layers, from shallow to deep.

    Returns:
        Weights that add up to 1.
    """
    return [2 * (k + 1) / (count * (count + 1)) for k in range(count)]


def _reduced(image: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 y x"]:
    """Return an image, reduced to `COLOUR_SIZE` pixels along its longer side where it is larger."""
    own = (image.shape[1], image.shape[2])
    return resized(image[None], fitted(own, min(max(own), COLOUR_SIZE)))[0]


def moment_targets(
    net: Net, picture: Float[Tensor, "1 3 h w"], layers: Layers, regions: Tensor | None, memory: str = ""
) -> Iterator[tuple[LayerAddress, Float[Tensor, "r c c+1"]]]:
    """Compute the moments of an image's regions in the style layers, tile by tile where the image is large.

    Args:
        net: the network.
        picture: the style image, in [0, 1].
        layers: its style layers are used.
        regions: weights `[r y x]` of each region at any resolution; None for the whole image.
        memory: memory limit like `4GB`; empty for none.

    Yields:
        Each layer with the Gram matrix and the means (`nets.style.losses.moments`) of each region.
    """
    sums: dict[LayerAddress, Tensor] = {}
    for scene in iter_tiled_activations(
        net, _in_range(net, picture), layers.style, tiles_for(picture, memory)
    ):
        for place in layers.style:
            filters = scene[place].shape[1]
            nothing = torch.zeros(1 if regions is None else len(regions), filters, filters + 1)
            here = CorrelationLoss(place, nothing, regions, (1.0,) * len(nothing)).sums(scene)[0]
            sums[place] = sums[place] + here if place in sums else here
    yield from sums.items()


def tiles_for(picture: Float[Tensor, "b c h w"], memory: str = "") -> TileConfig:
    """Return the tile size for evaluating an image without gradients.

    Args:
        picture: the image.
        memory: memory limit like `4GB`; empty for none.

    Returns:
        A tile size that covers the whole image, unless it is large or memory is short.
    """
    pixels = picture[0, 0].numel()
    wanted, at_once = (PART, PART.pixels) if pixels > WHOLE else (TileConfig(WHOLE), pixels)
    if not memory or at_once * NEEDED <= SPARED * in_bytes(memory):
        return wanted
    return PART if PART.pixels * NEEDED <= SPARED * in_bytes(memory) else SHORT


def content_features(
    net: Net, picture: Float[Tensor, "1 3 h w"], places: Sequence[LayerAddress], memory: str = ""
) -> dict[LayerAddress, Tensor]:
    """Compute the activations of whole layers, assembled from tiles where the image is large.

    Args:
        net: the network.
        picture: the image, in [0, 1].
        places: the layers.
        memory: memory limit like `4GB`; empty for none.

    Returns:
        Activations `[1 c y x]` by layer.
    """
    found: dict[LayerAddress, Tensor] = {}
    for scene in iter_tiled_activations(net, _in_range(net, picture), places, tiles_for(picture, memory)):
        for place in places:
            here = scene[place]
            if place not in found:
                found[place] = here.new_empty(*here.shape[:2], *scene.extent(place))
            found[place][(..., *scene.window(place))] = here
    return found


@takes_network
def checked(net: Net, recipe: StyleRecipe) -> Net:
    """Return the network if it can be used for style transfer.

    Args:
        net: the network.
        recipe: whether untrained networks are allowed.

    Returns:
        The same network.

    Raises:
        UsageError: it does not take a single RGB image.
        MissingError: it is untrained, and the recipe does not allow it.
    """
    if len(net.input_specs) != 1 or len(net.input_spec.shape) != 3 or net.input_spec.channels != 3:
        raise UsageError(
            "a network that looks at one picture in colour",
            received=repr(net),
            hint="Choose a network of colour pictures, such as hed-vgg16.",
        )
    if net.source.weights == "none" and not recipe.untrained:
        raise MissingError(
            "a network that has learned something: style is what trained filters see together",
            received=f"{net.name} with fresh weights",
            hint="Take hed-vgg16, give --weights, or say --untrained to see what comes of it.",
        )
    return net


def sizes(own: tuple[int, int], recipe: StyleRecipe) -> tuple[tuple[int, int], ...]:
    """Return the size of the image at each scale.

    Args:
        own: height and width of the content image.
        recipe: its `size` (longer side of the result) and `scales` are used.

    Returns:
        Heights and widths from coarse to fine, each about twice the previous one.
    """
    last = fitted(own, recipe.size) if recipe.size else own
    if recipe.scales is None:
        count, longest = 1, max(last)
        while longest // 2 >= COARSEST:
            longest, count = longest // 2, count + 1
    else:
        count = recipe.scales
    found = [fitted(last, max(last) / 2**k) for k in reversed(range(1, count))]
    return (*dict.fromkeys(found), last)


def fitted(own: tuple[int, int], longest: float | int) -> tuple[int, int]:
    """Return the size with the same aspect ratio and a given longer side.

    Args:
        own: height and width.
        longest: longer side in pixels.

    Returns:
        Height and width, rounded, at least 1.
    """
    scale = longest / max(own)
    return (max(1, round(own[0] * scale)), max(1, round(own[1] * scale)))


def resized(images: Float[Tensor, "b c h w"], size: tuple[int, int]) -> Float[Tensor, "b c y x"]:
    """Resize images by antialiased bicubic interpolation, clamped to [0, 1].

    Args:
        images: images in [0, 1].
        size: height and width to resize to.

    Returns:
        The resized images; the same tensor if the size is equal.
    """
    if tuple(images.shape[2:]) == size:
        return images
    return F.interpolate(images, size=size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)


def _in_range(net: Net, images: Tensor) -> Tensor:
    """Map values from [0, 1] to the spec's range."""
    low, high = net.input_spec.value_range
    return images if (low, high) == (0.0, 1.0) else low + (high - low) * images


def _coloured(painting: Tensor, picture: Tensor, how: str) -> Tensor:
    """Return the style image, recoloured as the recipe's `color` demands."""
    if how == "luminance":
        light = color.same_spread(color.luminance(painting), color.luminance(picture))
        return light.clamp(0, 1).expand(3, -1, -1)
    return color.same_colours(painting, picture).clamp(0, 1) if how == "histogram" else painting


def _strangers(colours: Sequence[regions.Colour], known: Sequence[regions.Colour]) -> list[regions.Colour]:
    """Return the colours that are near none of the known ones."""
    return [one for one in colours if not regions.near_any_color(one, known)]


def _shares(regions: Float[Tensor, "r h w"]) -> tuple[float, ...]:
    """Return each region's share of the total weight of all regions."""
    sums = regions.flatten(1).sum(1)
    return tuple((sums / sums.sum().clamp_min(TINY)).tolist())


__all__ = ["StyleProblem", "Layers", "ScaleObjective", "checked", "fitted", "resized", "sizes"]
