"""Inputs of the data sets of embeddings, by their numbers, as files."""

import io
from typing import TYPE_CHECKING, Literal

from convscope.errors import PlaceError, UsageError
from convscope.lab.recent import LRUCache

if TYPE_CHECKING:
    from torch import Tensor

    from convscope.graph import TensorSpec
    from convscope.nets import Net
    from convscope.worlds import LabelledDataset

MAX_OPEN = 3
"""Data sets that are kept open; the one used longest ago is closed."""
Format = Literal["png", "wav", "file"]
"""`file` is what a network reads again as the same input: pixel by pixel, and not as it is drawn."""


class Datasets:
    """Open data sets, and encode inputs of them."""

    def __init__(self) -> None:
        self._open: LRUCache[tuple[object, ...], LabelledDataset] = LRUCache(MAX_OPEN)

    def encode(
        self, net: "Net", data: str, split: str | None, root: str | None, index: int, format: Format
    ) -> tuple[str, bytes]:
        """Encode one input.

        Args:
            net: its input spec says how samples of a folder are read.
            data: name of the data set, or its folder.
            split: the part; None for all.
            root: folder of a published data set.
            index: number of the input.
            format: how it is encoded.

        Returns:
            The ending of the file, with the dot, and its bytes.

        Raises:
            PlaceError: there is no such input.
            UsageError: it cannot be encoded so.
        """
        from convscope.lab.live.pictures import to_png, to_wav

        samples = self._samples(net, data, split, root)
        if not 0 <= index < len(samples):
            hint = f"There are {len(samples):,}, counted from 0."
            raise PlaceError("the number of an input", received=str(index), hint=hint)
        tensor = samples.inputs([index], net.input_spec)[0]
        if format == "png":
            return ".png", to_png(tensor, net)
        if format == "wav":
            return ".wav", to_wav(tensor, net)
        return _file(tensor, net.input_spec)

    def _samples(self, net: "Net", data: str, split: str | None, root: str | None) -> "LabelledDataset":
        from convscope import worlds

        key = (data, split, root, net.input_spec)
        return self._open.get(key, lambda: worlds.open_all(data, split, root=root, spec=net.input_spec))


def _file(tensor: "Tensor", spec: "TensorSpec") -> tuple[str, bytes]:
    """Encode an input as a file that is read as the same input."""
    from PIL import Image

    from convscope.worlds import world_of

    world = world_of(spec)
    made = world.to_file(tensor, spec)
    if made is not None:
        return made
    text = "".join(piece.text + piece.gap for piece in world.pieces(tensor, spec)).strip()
    if text:
        return ".txt", text.encode()
    if spec.kind not in ("image", "digit") or tensor.shape[0] not in (1, 3):
        raise UsageError(
            "a picture, a sound or a text",
            received=f"{world.thing} of {spec.shape}",
            hint="Choose a network of these.",
        )
    low, high = spec.value_range
    levels = ((tensor - low) * (255 / (high - low))).round().clamp(0, 255).byte().movedim(0, -1).numpy()
    file = io.BytesIO()
    Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels).save(file, "PNG")
    return ".png", file.getvalue()
