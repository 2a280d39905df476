"""Registry of attribution methods: a new one is one file in `methods/` and one line in this table.

Imports no torch: a method's module is imported when it is looked up.
"""

import importlib
from typing import TYPE_CHECKING, Any

from convscope.errors import UsageError, nearest, settings_hint

if TYPE_CHECKING:
    from convscope.see.attribution.method import Method

METHODS: "dict[str, str | type[Method]]" = {
    "saliency": "gradient.Saliency",
    "smoothgrad": "gradient.SmoothGrad",
    "inputxgradient": "gradient.InputXGradient",
    "guided": "gradient.GuidedBackprop",
    "deconvnet": "gradient.Deconvnet",
    "integrated": "integrated_gradients.IntegratedGradients",
    "gradcam": "cam.GradCam",
    "gradcam++": "cam.GradCamPlusPlus",
    "layercam": "cam.LayerCam",
    "scorecam": "scorecam.ScoreCam",
    "occlusion": "occlusion.Occlusion",
    "rise": "rise.Rise",
    "lrp": "lrp.Lrp",
}
"""Name of each method -> its file in `methods/` and its class; the class itself where it was registered."""


METHOD_ALIASES = {
    "gradient": "saliency",
    "vanilla gradient": "saliency",
    "sensitivity": "saliency",
    "smooth gradient": "smoothgrad",
    "gradient x input": "inputxgradient",
    "gradient times input": "inputxgradient",
    "input times gradient": "inputxgradient",
    "guided backprop": "guided",
    "guided backpropagation": "guided",
    "deconv": "deconvnet",
    "deconvolution": "deconvnet",
    "deconvolutional network": "deconvnet",
    "ig": "integrated",
    "integrated gradients": "integrated",
    "cam": "gradcam",
    "gradient-weighted class activation mapping": "gradcam",
    "gradcamplusplus": "gradcam++",
    "gradcampp": "gradcam++",
    "occlusion sensitivity": "occlusion",
    "randomized input sampling": "rise",
    "layer-wise relevance propagation": "lrp",
    "relevance": "lrp",
}
"""Other words for methods, from papers and other programs, for hints."""


def register_method(method: "type[Method]") -> None:
    """Add a method of attribution, which `explain` then takes by its name.

    Args:
        method: the class; the default of its field `name` must be new.

    Raises:
        UsageError: there is a method of this name already, or it has none.
    """
    name = method.model_fields["name"].default
    if not name or name in METHODS:
        raise UsageError("a name that no method has yet", received=repr(name), hint="Choose another name.")
    METHODS[name] = method


def is_method(name: str) -> bool:
    """Return whether a method has this name, or is called so elsewhere.

    Args:
        name: a name or an alias.

    Returns:
        Whether there is one.
    """
    return name in METHODS or name in METHOD_ALIASES


def method_class(name: str) -> "type[Method]":
    """Look up the class of a method, and import its module.

    Args:
        name: a key of `METHODS`.

    Returns:
        The class.

    Raises:
        UsageError: there is no such method; the nearest names are in the hint.
    """
    if name not in METHODS:
        raise UsageError(
            "the name of a method", received=repr(name), hint=nearest(name, METHODS, aliases=METHOD_ALIASES)
        )
    found = METHODS[name]
    if not isinstance(found, str):
        return found
    file, _, kind = found.partition(".")
    return getattr(importlib.import_module(f"convscope.see.attribution.methods.{file}"), kind)


def get_method(name: "str | Method", **settings: Any) -> "Method":
    """Create a method by name, or change settings of a given one.

    Args:
        name: a key of `METHODS`, or a configured method.
        **settings: the method's fields, as `samples=64`.

    Returns:
        The configured method.

    Raises:
        UsageError: there is no such method, it has no such setting, or a setting is out of range.
    """
    if isinstance(name, str):
        return method_class(name)(name=name, **settings)
    return type(name)(**name.model_dump() | settings) if settings else name


def parse_methods(names: list[str], settings: list[str]) -> "list[Method]":
    """Create methods from names and settings as text, as the command line has them.

    Args:
        names: keys of `METHODS`.
        settings: `samples=64` (for every method that has it) or `rise.samples=64`.

    Returns:
        One configured method for each name that differs, in their order.

    Raises:
        UsageError: a setting is malformed, or none of the methods has it.
    """
    chosen: dict[str, dict[str, str]] = {name: {} for name in names}
    for text in settings:
        key, equals, value = text.partition("=")
        owner, _, field = key.strip().rpartition(".")
        having = {name: method_class(name).model_fields for name in names if owner in ("", name)}
        takers = [name for name, fields in having.items() if field in fields and field != "name"]
        if not equals or not takers:
            known = sorted({f for fields in having.values() for f in fields} - {"name"})
            raise UsageError(
                f"settings of {', '.join(names)}, like samples=64",
                received=repr(text),
                hint=settings_hint(field, known) if known else "These methods have none.",
            )
        for name in takers:
            chosen[name][field] = value.strip()
    return [get_method(name, **found) for name, found in chosen.items()]
