"""Open `timm/<name>`: every model of timm, with the input spec that its weights were trained with."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlparse
from urllib.request import getproxies

import timm
from huggingface_hub import constants
from timm.data import ImageNetInfo, infer_imagenet_subset
from torch import nn

from convscope.errors import UsageError, nearest
from convscope.graph.spec import ImageTransform, OutputSpec, TensorSpec
from convscope.nets.adapters.fetching import fetch, repeatable
from convscope.nets.adapters.imagenet import CATEGORIES
from convscope.nets.network import Net, Source


def names() -> tuple[str, ...]:
    """Return the architectures of timm, without the tags of their weights."""
    return tuple(timm.list_models())


def open_model(name: str, weights: str | None, *, seed: int | None = None) -> Net:
    """Open a timm model as a `Net`.

    Args:
        name: an architecture, with or without the tag of its weights (`resnet50.a1_in1k`).
        weights: None for fresh ones; `default` or a tag to download those.
        seed: makes fresh weights reproducible.

    Returns:
        The network, in evaluation mode.

    Raises:
        UsageError: there is no such model or tag.
        MissingError: the weights cannot be downloaded.
    """
    architecture, _, tag = name.partition(".")
    if weights not in (None, "default"):
        tag = weights
    _check(architecture, tag)
    full = f"{architecture}.{tag}" if tag else architecture
    with repeatable(seed):
        if weights is None:
            module = build_module(full)
        else:
            with _cache_only_if_offline():
                module = fetch(f"timm/{full}", "", lambda: timm.create_model(full, pretrained=True))
    settings: dict[str, Any] = vars(module)["pretrained_cfg"]
    source = Source(
        name=f"timm/{name}",
        paper=settings.get("paper_ids") or settings.get("paper_name") or "",
        licence=settings.get("license") or "Apache-2.0 (code)",
        weights=full if weights is not None else "none",
        url=settings.get("origin_url") or "https://github.com/huggingface/pytorch-image-models",
    )
    output = OutputSpec(classes=_labels(module))
    return Net(module.eval(), (_spec(settings),), (output,), source, None, source.name)


def build_module(name: str) -> nn.Module:
    """Build a timm model with fresh weights.

    Args:
        name: an architecture, with or without a tag.

    Returns:
        The bare module.
    """
    with repeatable(None):
        return timm.create_model(name, pretrained=False)


@contextmanager
def _cache_only_if_offline() -> Iterator[None]:
    """Make the hub use its cache only where its host cannot be resolved; it would retry for a minute."""
    host = urlparse(constants.ENDPOINT).hostname or ""
    before = constants.HF_HUB_OFFLINE
    try:
        if not getproxies():
            socket.getaddrinfo(host, 443)
    except OSError:
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _check(architecture: str, tag: str) -> None:
    if not timm.is_model(architecture):
        raise UsageError("a model of timm", received=architecture, hint=nearest(architecture, names()))
    tags = [n.partition(".")[2] for n in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in tags:
        raise UsageError(
            f"weights of timm/{architecture}", received=tag, hint=nearest(tag, ["default", *tags])
        )


def _spec(settings: dict[str, Any]) -> TensorSpec:
    channels, height, width = settings["input_size"]
    return TensorSpec(
        (channels, height, width),
        mean=tuple(settings["mean"]),
        std=tuple(settings["std"]),
        transform=ImageTransform(
            crop=settings.get("crop_pct") or 1.0, interpolation=settings.get("interpolation") or "bilinear"
        ),
    )


def _labels(module: nn.Module) -> tuple[str, ...]:
    if getattr(module, "num_classes", 0) == len(CATEGORIES):
        return CATEGORIES
    subset = infer_imagenet_subset(module)
    return tuple(ImageNetInfo(subset).label_descriptions()) if subset else ()
