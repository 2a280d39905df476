"""Paint a photograph in styles that a network was taught.

The result has the photograph's size. Styles are mixed by weights; what is missing from 1 is the photograph
itself. With --mask a style is painted where another picture is bright. Photographs too large for --memory are
painted in parts that fit together.

    convscope style apply me.jpg --style wave
    convscope style apply me.jpg --style wave:0.5 --style scream:0.5
    convscope style apply me.jpg --style starry --mask sky.png:wave
    convscope style apply me.jpg --model runs/2026-11-22-style-train-stylebank
    convscope style apply me.jpg --style any_painting.jpg:0.8
"""

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING

from convscope.jobs import inputs
from convscope.jobs.job import Steps, finished
from convscope.jobs.output.workspace import Workspace
from convscope.use import StylizeRecipe

if TYPE_CHECKING:
    from PIL.Image import Image

    from convscope.nets import ExecutionConfig, Net
    from convscope.use import Region

schema = StylizeRecipe


def run(recipe: StylizeRecipe, workspace: Workspace) -> Steps:
    """Stylise a photograph with a feed-forward style network, and save it as `painted.png`.

    The PNG contains the recipe with the model and the precision that were chosen automatically.

    Args:
        recipe: photograph, model (AdaIN if a style is an image file, else the bundled StyleBank, if left
            out), styles with weights, masks, size, memory and precision.
        workspace: where the result goes.

    Yields:
        The progress with the document so far; JSON fields `said` (remarks on the weights), `said_zh`
        (the same in Chinese), `model`, `styles` (names of the model's styles;
        empty for AdaIN), `mixture` (weights by style or file), `size` (`[width, height]` in pixels),
        `regions` (style of each mask), `seconds` (of the stylisation), `precision`, `picture` (file name) and
        `out` (the folder).

    Raises:
        UsageError: a style or weight is invalid, or the model has no styles (exit code 2).
        DataError: an image cannot be read (exit code 3).
        MissingError: the device is not here (exit code 4).
    """
    from convscope import nets
    from convscope.recipe import stamp
    from convscope.use import choose_execution, is_painting, regions_of, remark_on_weights

    model = recipe.model or ("adain" if any(map(is_painting, recipe.style)) else "stylebank")
    net = inputs.require_finite(nets.load(model).to(inputs.device(recipe.device)))
    styles, mixture = _wanted(net, recipe)
    regions = regions_of(net, recipe.mask)
    choice = choose_execution(net, recipe.precision)  # stands in the recipe, so that it can be replayed
    painted, seconds = _painted(net, recipe, mixture, regions, choice)
    with workspace.folder(f"style-apply-{net.name}") as folder:
        mark = stamp(recipe.model_copy(update={"model": model, "precision": choice.precision}))
        name = folder.save_image(painted, "painted.png", mark, ", ".join(mixture))
    remark = remark_on_weights(mixture)
    document = {
        "said": [remark["en"]] if remark else [],
        "said_zh": [remark["zh"]] if remark else [],
        "model": net.name,
        "styles": list(styles),
        "mixture": mixture,
        "size": list(painted.size),
        "regions": [region.style for region in regions],
        "seconds": seconds,
        "precision": choice.precision,
        "picture": name,
        "out": str(folder.out),
    }
    yield finished(document)


def _painted(
    net: "Net",
    recipe: StylizeRecipe,
    mixture: dict[str, float],
    regions: "Sequence[Region]",
    choice: "ExecutionConfig",
) -> "tuple[Image, float]":
    """Return the stylised photograph, and the seconds that it took."""
    from convscope.use import stylize

    size, memory = recipe.size, recipe.memory
    started = perf_counter()
    painted = stylize(net, recipe.photo, mixture, size=size, regions=regions, memory=memory, choice=choice)
    return painted, perf_counter() - started


def _wanted(net: "Net", recipe: StylizeRecipe) -> tuple[tuple[str, ...], dict[str, float]]:
    """Return the names of the network's styles, none for AdaIN, and the weights of the mixture."""
    from convscope.nets.style import AdaIN
    from convscope.use import mixture_of, paintings_of, styles_of

    if isinstance(net.module, AdaIN):
        return (), paintings_of(recipe.style)
    styles = styles_of(net)
    return styles, mixture_of(recipe.style, styles) or {styles[0]: 1.0}
