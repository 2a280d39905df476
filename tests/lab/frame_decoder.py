"""Reads the binary frames of `convscope.lab.live.frames`, from their description alone."""

import json
import struct
from typing import Any

import torch
from torch import Tensor


def decode_frame(frame: bytes) -> tuple[dict[str, Any], dict[str, tuple[Tensor, Tensor, Tensor]]]:
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
