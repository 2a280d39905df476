"""The methods of attribution: a new one is one file in `methods/` and one line in this table.

No torch here.
"""

import importlib
from typing import TYPE_CHECKING, Any

from convscope.errors import UsageError, nearest

if TYPE_CHECKING:
    from convscope.see.attribution.method import Method

METHODS: dict[str, str] = {
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
"""What a method is called -> file and class."""


def method_class(name: str) -> "type[Method]":
    """The class of a method.

    Raises:
        UsageError: there is no such method; the nearest are named.
    """
    if name not in METHODS:
        raise UsageError("the name of a method", received=repr(name), hint=nearest(name, METHODS))
    file, _, kind = METHODS[name].partition(".")
    return getattr(importlib.import_module(f"convscope.see.attribution.methods.{file}"), kind)


def get_method(name: "str | Method", **settings: Any) -> "Method":
    """A method with its settings.

    Raises:
        UsageError: there is no such method, it has no such setting, or a setting is out of range.
    """
    if isinstance(name, str):
        return method_class(name).parse({"name": name, **settings})
    return name.parse({**name.model_dump(), **settings}) if settings else name


def parse_methods(names: list[str], settings: list[str]) -> "list[Method]":
    """Methods with settings written as `samples=64` (of every method that has it) or `rise.samples=64`.

    Raises:
        UsageError: a setting is not written so, or none of the methods has it.
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
                hint=nearest(field, known) if known else "These methods have none.",
            )
        for name in takers:
            chosen[name][field] = value.strip()
    return [get_method(name, **found) for name, found in chosen.items()]
