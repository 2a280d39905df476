"""Binary frames of maps: a JSON header, then for each layer the range of every map and its values as bytes.

`uint32 length | header | padding to 4 bytes`, then for each layer at its `offset`, counted from the beginning
of the frame, `float32 lo[c]`, `float32 hi[c]`, `uint8 c*h*w`, padded to 4 bytes; all little-endian. Each map
is scaled from its own lowest to its own highest value.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

LEVELS = 255
ALIGNMENT = 4
DATA_ALIGNMENT = 256
"""The maps begin at a multiple of so many bytes, so that most frames have the same table of layers."""
MAX_FLOAT32 = float(np.finfo(np.float32).max)

Layout = tuple[tuple[str, tuple[int, int, int]], ...]
"""Name and shape of the maps of each layer."""


def map_shape(act: Tensor) -> tuple[int, int, int]:
    """Return units, height and width as which an activation is drawn.

    Args:
        act: one input's activation, channels first: `[c]`, `[c t]`, `[c h w]` or more axes.

    Returns:
        A value is a map of 1x1, a row one of 1xt; of more axes all but the last two count as units.
    """
    if act.dim() <= 1:
        return act.numel(), 1, 1
    if act.dim() == 2:
        return act.shape[0], 1, act.shape[1]
    return act.shape[:-2].numel(), act.shape[-2], act.shape[-1]


def quantize(maps: np.ndarray, low: np.ndarray, high: np.ndarray, values: np.ndarray) -> None:
    """Scale each map to bytes, from its lowest to its highest value.

    Args:
        maps: float32 `[units size]`.
        low: gets the lowest value of each map, `[units]`.
        high: gets the highest.
        values: gets the bytes, `[units size]`. A constant map is 0, and so is what is no number.
    """
    if not maps.size:
        low[:], high[:] = 0, 0
        return
    np.min(maps, axis=1, out=low)
    np.max(maps, axis=1, out=high)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        maps = np.nan_to_num(maps, nan=0.0, posinf=MAX_FLOAT32, neginf=-MAX_FLOAT32)
        np.min(maps, axis=1, out=low)
        np.max(maps, axis=1, out=high)
    if maps.shape[1] == 1:
        values[:] = 0
        return
    span = high.astype(np.float64) - low
    scale = np.divide(LEVELS, span, out=np.zeros_like(span), where=span > LEVELS / MAX_FLOAT32)
    scaled = maps - low[:, None] if span.max() < MAX_FLOAT32 else maps.astype(np.float64) - low[:, None]
    scaled *= scale.astype(np.float32)[:, None]
    scaled += 0.5
    np.minimum(scaled, LEVELS, out=scaled)
    values[:] = scaled


@lru_cache(maxsize=256)
def _table(layout: Layout, start: int) -> tuple[str, tuple[int, ...], int]:
    """Return layers as JSON, offsets, and the size of a frame whose maps begin at `start`."""
    entries, offsets, at = [], [], start
    for name, (c, h, w) in layout:
        entries.append({"name": name, "shape": [c, h, w], "offset": at})
        offsets.append(at)
        at += _padded(8 * c + c * h * w, ALIGNMENT)
    return json.dumps(entries, separators=(",", ":")), tuple(offsets), at


def encode(header: Mapping[str, Any], layers: Sequence[tuple[str, Tensor]]) -> bytes:
    """Return the frame of one forward pass.

    Args:
        header: JSON values, at least one; `layers` is added.
        layers: name and activation `[c ...]` of each, of one input.

    Returns:
        The frame.
    """
    layout = tuple((name, map_shape(act)) for name, act in layers)
    text = json.dumps(header, separators=(",", ":"), allow_nan=False)
    start, head = 0, b""
    while not start or ALIGNMENT + len(head) > start:  # offsets have more digits as the header grows
        start = _padded(max(ALIGNMENT + len(head), DATA_ALIGNMENT), DATA_ALIGNMENT)
        head = f'{text[:-1]},"layers":{_table(layout, start)[0]}}}'.encode()
    _, offsets, size = _table(layout, start)
    frame = bytearray(size)
    struct.pack_into("<I", frame, 0, len(head))
    frame[ALIGNMENT : ALIGNMENT + len(head)] = head
    for (_, act), (_, (c, h, w)), at in zip(layers, layout, offsets, strict=True):
        low = np.frombuffer(frame, np.float32, c, at)
        high = np.frombuffer(frame, np.float32, c, at + 4 * c)
        values = np.frombuffer(frame, np.uint8, c * h * w, at + 8 * c).reshape(c, h * w)
        quantize(_as_float32(act).reshape(c, h * w), low, high, values)
    return bytes(frame)


def _as_float32(act: Tensor) -> np.ndarray:
    return act.detach().to("cpu", torch.float32).numpy()


def _padded(size: int, step: int) -> int:
    return -(-size // step) * step
