"""Binary frames of maps: a JSON header, then for each layer the range of every map and its values as bytes.

`uint32 length | header | padding to 4 bytes`, then for each layer at its `offset`, counted from the beginning
of the frame, `float32 lo[c]`, `float32 hi[c]`, `uint8 c*h*w`, padded to 4 bytes; all little-endian. Each map
is scaled from its own lowest to its own highest value.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

LEVELS = 255
ALIGNED = 4


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


def quantize(act: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scale each map to bytes, from its lowest to its highest value.

    Args:
        act: `[c ...]` of any floating point dtype.

    Returns:
        Lowest and highest value of each map, float32 `[units]`, and the bytes `[units size]`. A constant map
        is 0; values that are no numbers are 0, and do not count.
    """
    units = map_shape(act)[0]
    flat = act.detach().reshape(units, -1).float().cpu()
    if flat.numel() and not bool(flat.sum().isfinite()):
        flat = flat.nan_to_num(0.0, torch.finfo(torch.float32).max, torch.finfo(torch.float32).min)
    if not flat.numel():
        return torch.zeros(units), torch.zeros(units), flat.to(torch.uint8)
    low, high = torch.aminmax(flat, dim=1)
    if flat.shape[1] == 1:
        return low, high, torch.zeros(units, 1, dtype=torch.uint8)
    span = high.double() - low.double()
    scale = torch.where(span > 0, LEVELS / span, 0.0).float()
    values = ((flat - low[:, None]) * scale[:, None]).round_()
    return low, high, values.clamp_(0, LEVELS).to(torch.uint8)


def encode(header: Mapping[str, Any], layers: Sequence[tuple[str, Tensor]]) -> bytes:
    """Return the frame of one forward pass.

    Args:
        header: JSON values; `layers` is added.
        layers: name and activation `[c ...]` of each, of one input.

    Returns:
        The frame.
    """
    shapes = [map_shape(act) for _, act in layers]
    sizes = [_padded(8 * c + c * h * w) for c, h, w in shapes]

    def text(start: int) -> bytes:
        entries, at = [], start
        for (name, _), shape, size in zip(layers, shapes, sizes, strict=True):
            entries.append({"name": name, "shape": list(shape), "offset": at})
            at += size
        return json.dumps({**header, "layers": entries}, separators=(",", ":"), allow_nan=False).encode()

    start = 0
    while (wanted := _padded(4 + len(text(start)))) > start:  # offsets have more digits as the header grows
        start = wanted
    head = text(start)
    parts = [struct.pack("<I", len(head)), head, bytes(start - 4 - len(head))]
    for (_, act), size in zip(layers, sizes, strict=True):
        low, high, values = quantize(act)
        body = low.numpy().tobytes() + high.numpy().tobytes() + values.numpy().tobytes()
        parts += [body, bytes(size - len(body))]
    return b"".join(parts)


def decode(frame: bytes) -> tuple[dict[str, Any], dict[str, tuple[Tensor, Tensor, Tensor]]]:
    """Read a frame, as the page does.

    Args:
        frame: what `encode` made.

    Returns:
        The header, and by layer lowest and highest value of each map `[c]` and the bytes `[c h w]`.
    """
    (length,) = struct.unpack_from("<I", frame)
    header = json.loads(frame[4 : 4 + length])
    found = {}
    for layer in header["layers"]:
        (c, h, w), at = layer["shape"], layer["offset"]
        buffer = bytearray(frame[at : at + 8 * c + c * h * w])
        ranges = torch.frombuffer(buffer[: 8 * c], dtype=torch.float32) if c else torch.zeros(0)
        values = torch.frombuffer(buffer[8 * c :], dtype=torch.uint8) if c * h * w else torch.zeros(0)
        found[layer["name"]] = (ranges[:c], ranges[c:], values.reshape(c, h, w))
    return header, found


def _padded(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED
