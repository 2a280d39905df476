"""The figure of one digit's feature maps through the network."""

from collections.abc import Sequence

from markupsafe import Markup
from torch import Tensor

from convscope.show.images.draw import tag
from convscope.show.report.figure import Figure
from convscope.show.report.figures.network.units import sheet
from convscope.show.report.i18n import bilingual, spoken
from convscope.show.svg import element, join
from convscope.worlds.images import grayscale_alpha

TILES = {26: "3.3rem", 13: "2.6rem", 11: "2.6rem", 5: "2.1rem"}


def figure(digit: Tensor, stages: Sequence[tuple[str, Tensor]], command: str) -> Figure:
    """Build the figure of one digit and its feature maps after several layers.

    The title quotes how many maps of the last layer are nowhere positive.

    Args:
        digit: the input `[1 h w]` in [0, 1].
        stages: name and feature maps `[c h w]` of each layer, in execution order; each on its own colour
            scale.
        command: reproduces the maps.

    Returns:
        The figure.
    """
    first = element(
        "div",
        bilingual("seen.maps.input", tag="p", class_="mini"),
        element(
            "div", tag(grayscale_alpha(digit), spoken("page.alt.size", size="28×28")), style="width:6rem"
        ),
        class_="stage",
    )
    inactive = sum(int((maps.flatten(1).amax(1) <= 0).sum()) for _, maps in stages[-1:])
    return Figure(
        "seen.maps",
        join([first, *(_stage(name, maps) for name, maps in stages)]),
        command,
        "Hung-yi Lee, lecture “Convolutional Neural Network”; Jason Yosinski et al., Understanding neural "
        "networks through deep visualization (2015), arXiv:1506.06579",
        {
            "inactive": inactive,
            "last": stages[-1][0],
            "count": len(stages[-1][1]),
            "extent": "×".join(map(str, stages[-1][1].shape[1:])),
        },
        wide=True,
    )


def sheets(stages: Sequence[tuple[str, Tensor]]) -> Markup:
    """Build a sheet of feature maps for each layer, without the input.

    Args:
        stages: name and feature maps `[c h w]` of each layer; each on its own colour scale.

    Returns:
        The sheets one below the other.
    """
    return join(_stage(name, maps) for name, maps in stages)


def _stage(name: str, maps: Tensor) -> Markup:
    extent = "×".join(map(str, maps.shape))
    words = bilingual("seen.maps.stage", name=name, extent=extent, limit=f"{float(maps.abs().max()):.1f}")
    pictures = sheet(maps, [f"{k}" for k in range(len(maps))], tile=TILES.get(maps.shape[-1], "3rem"))
    return element("div", element("p", words, class_="mini"), pictures, class_="stage")
