"""Open `torchvision/<name>`: every model of torchvision that takes images.

Auxiliary heads are left out, and the input re-normalisation inside Inception networks is replaced by a
spec of their own, so that the module receives inputs normalised as the spec states.
"""

import re
from typing import Any

from torch import nn
from torchvision import models
from torchvision.transforms import _presets as presets

from convscope.errors import UsageError, nearest
from convscope.graph.spec import ImageTransform, OutputSpec, TensorSpec
from convscope.nets.adapters.fetching import fetch, repeatable, weights_only
from convscope.nets.network import Net, Source

INCEPTIONS = {"googlenet", "inception_v3"}
"""Models whose constructors initialise slowly, warn, and add auxiliary heads."""

LICENCE = "BSD-3-Clause (code); weights under the terms of their training data"
NOTES = {
    "googlenet": "The 5x5 branches are 3x3 here, as in the TensorFlow models this was ported from; "
    "convscope's own googlenet-paper has the paper's.",
    "resnet50": "Version 1.5: strides are in the 3x3 convolutions; paper and Keras: in the first 1x1.",
}
DETECTION_SIZE = 512
SEGMENTATION_SIZE = 520


def names() -> tuple[str, ...]:
    """Return the models that take one batch of images; video, optical flow and int8 models are left out."""
    return tuple(n for n in models.list_models() if not _unfit(n))


def open_model(name: str, weights: str | None, *, seed: int | None = None) -> Net:
    """Open a torchvision model as a `Net`.

    Args:
        name: a name from `torchvision.models.list_models()`.
        weights: None for fresh ones; `default` or the name of an entry (`IMAGENET1K_V1`) to download those.
        seed: makes fresh weights reproducible.

    Returns:
        The network, in evaluation mode.

    Raises:
        UsageError: there is no such model or weights, or the model does not take images.
        MissingError: the weights cannot be downloaded.
    """
    _check(name)
    entry = _entry(name, weights)
    labels = tuple(entry.meta.get("categories", ()))
    with repeatable(seed):
        if weights is None:
            module = build_module(name, classes=len(labels))
        else:
            module = fetch(f"torchvision/{name}", entry.url, lambda: _trained(name, entry))
    source = Source(
        name=f"torchvision/{name}",
        paper=_paper(name),
        licence=LICENCE,
        weights=str(entry) if weights is not None else "none",
        url=entry.meta.get("recipe", "") or "https://pytorch.org/vision/stable/models.html",
        note=NOTES.get(name, ""),
    )
    return Net(module.eval(), (_spec(name, entry),), (OutputSpec(classes=labels),), source, None, source.name)


def build_module(name: str, *, classes: int = 1000) -> nn.Module:
    """Build a torchvision model with fresh weights and without auxiliary heads.

    Vision transformers are built for the input size of their default weights.

    Args:
        name: a name from `torchvision.models.list_models()`.
        classes: number of classes.

    Returns:
        The bare module.
    """
    options: dict[str, Any] = {"num_classes": classes}
    if name in INCEPTIONS:
        options |= {"aux_logits": False, "init_weights": False, "transform_input": False}
    elif _is(name, "segmentation", "detection"):
        options |= {"weights_backbone": None}
    elif name.startswith("vit_"):
        options |= {"image_size": _entry(name, None).meta["min_size"][0]}
    return models.get_model(name, weights=None, **options)


def _trained(name: str, entry: Any) -> nn.Module:
    """Build a model with torchvision's weights, without auxiliary heads and input re-normalisation."""
    with weights_only():
        module = models.get_model(name, weights=entry, progress=False)
    for auxiliary in ("aux1", "aux2", "AuxLogits", "aux_classifier"):
        if isinstance(getattr(module, auxiliary, None), nn.Module):
            setattr(module, auxiliary, None)
    if name in INCEPTIONS:
        vars(module).update(aux_logits=False, transform_input=False)
    return module


def _is(name: str, *parts: str) -> bool:
    origin = models.get_model_builder(name).__module__
    return any(f".{part}." in origin for part in parts)


def _unfit(name: str) -> str:
    for part, reason in (
        ("video", "takes films (five axes)"),
        ("optical_flow", "takes two images and returns optical flow"),
        ("quantization", "computes in int8, through which no gradient flows"),
    ):
        if _is(name, part):
            return reason
    return ""


def _check(name: str) -> None:
    if name not in models.list_models():
        raise UsageError("a model of torchvision", received=name, hint=nearest(name, names()))
    if reason := _unfit(name):
        raise UsageError(
            "a model that takes one batch of images",
            received=f"{name}, which {reason}",
            hint="Make it yourself and use convscope.wrap(module, specs).",
        )


def _entry(name: str, weights: str | None) -> Any:
    entries = models.get_model_weights(name)
    if weights in (None, "default"):
        return entries.DEFAULT  # pyright: ignore[reportAttributeAccessIssue]
    try:
        return entries[weights]
    except KeyError:
        known = ["default", *(e.name for e in entries)]
        raise UsageError(
            f"weights of torchvision/{name}", received=weights, hint=nearest(weights, known)
        ) from None


def _spec(name: str, entry: Any) -> TensorSpec:
    transforms = entry.transforms()
    if isinstance(transforms, presets.ImageClassification):
        size, larger = transforms.crop_size[0], transforms.resize_size[0]
        half = (0.5, 0.5, 0.5)
        mean, std = (half, half) if name in INCEPTIONS else (tuple(transforms.mean), tuple(transforms.std))
        return TensorSpec(
            (3, size, size),
            mean=mean,
            std=std,
            transform=ImageTransform(crop=size / larger, interpolation=transforms.interpolation.value),
        )
    if isinstance(transforms, presets.SemanticSegmentation):
        return TensorSpec(
            (3, SEGMENTATION_SIZE, SEGMENTATION_SIZE), mean=tuple(transforms.mean), std=tuple(transforms.std)
        )
    printed = re.search(r"(?<!\d)(300|320)(?!\d)", name)
    size = int(printed[0]) if printed else DETECTION_SIZE
    return TensorSpec((3, size, size))


def _paper(name: str) -> str:
    """Return the citation that torchvision's own documentation of the builder links to."""
    text = re.sub(r"\s+", " ", models.get_model_builder(name).__doc__ or "")
    found = re.search(r"`([^`<]+?)\s*<(https?://[^>]*(?:arxiv|openaccess|papers)[^>]*)>`", text)
    return f"{found[1].strip()}, {found[2]}" if found else ""
