"""Registry of this package's networks that are not graphs, by which saved ones are built again.

A registered module has a `kind` and `options`, JSON-ready: the arguments of its constructor, or of its class
method `of`. One that takes something else than RGB images of any size has an `input_shape`. No other code
named in a file is run.
"""

from importlib import import_module
from typing import Any

from torch import nn

from convscope.errors import DataError, nearest
from convscope.recipe import shortened

MODULES: dict[str, str] = {
    "stylebank": "convscope.nets.style.bank.StyleBank",
    "johnson": "convscope.nets.style.johnson.Johnson",
    "pixelcnn": "convscope.nets.modules.generative.pixelcnn.PixelCNN",
    "one_hidden_layer": "convscope.nets.modules.shallow.OneHiddenLayers",
    "neocognitron": "convscope.nets.modules.classics.neocognitron.Neocognitron",
    "pixelrnn": "convscope.nets.modules.generative.pixelrnn.PixelRNN",
    "vae": "convscope.nets.modules.generative.vae.VAE",
    "dcgan": "convscope.nets.modules.generative.gan.DCGAN",
    "point_gan": "convscope.nets.modules.generative.gan.PointGAN",
    "adain": "convscope.nets.style.adain.AdaIN",
    "replaced_head": "convscope.nets.io.replaced_head.build_replaced_head",
}
"""Kind to full name of the class, or of the function that builds the module."""


def to_config(module: nn.Module) -> dict[str, Any] | None:
    """Return the kind and options of a registered module, JSON-ready.

    Args:
        module: any module.

    Returns:
        A dict with `kind` and `options`; None for a module that is not registered.
    """
    kind = getattr(module, "kind", None)
    if isinstance(kind, str) and kind in MODULES and type(module) is _builder(kind):
        return {"kind": kind, "options": module.options}
    return None


def from_config(description: dict[str, Any]) -> nn.Module:
    """Build a registered module from its kind and options.

    Args:
        description: a dict with `kind` and `options`, as from `to_config`.

    Returns:
        The module, with fresh weights.

    Raises:
        DataError: there is no such kind.
        UsageError, TypeError, KeyError: the options do not fit the kind.
    """
    kind = description["kind"]
    if not isinstance(kind, str) or kind not in MODULES:
        raise DataError(
            "a kind of network that is known here", received=shortened(kind), hint=nearest(str(kind), MODULES)
        )
    build, options = _builder(kind), dict(description["options"])
    return build.of(options) if hasattr(build, "of") else build(**options)


def _builder(kind: str) -> Any:
    package, _, name = MODULES[kind].rpartition(".")
    return getattr(import_module(package), name)
