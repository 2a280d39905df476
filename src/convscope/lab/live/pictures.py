"""Inputs as files that a browser shows: pictures and sounds, always encoded anew."""

from io import BytesIO
from pathlib import Path

from PIL import Image
from torch import Tensor

from convscope.errors import UsageError
from convscope.graph import TensorSpec
from convscope.nets import Net
from convscope.worlds import WORLDS, open_sample, open_whole, render, world_of
from convscope.worlds.text import draw_tokens

LONGEST_SIDE = 512
"""Pixels of a preview."""
MAX_CHARACTERS, MAX_WORDS = 2000, 40
"""Of a text that a preview shows."""
PREVIEWED_WORLDS = ("image", "sound", "text", "go")
"""Worlds of which a file has a preview, in the order in which an ending is looked for."""
PHOTO = TensorSpec((3, 224, 224))
CLIP = TensorSpec((1, 16_000), "sound", "c t", value_range=(-1.0, 1.0), sample_rate=16_000)


def to_png(tensor: Tensor, net: Net) -> bytes:
    """Return an input as a PNG.

    Args:
        tensor: one input `[*shape]` in the spec's range.
        net: its network.

    Returns:
        The file.
    """
    out = BytesIO()
    render(tensor.detach().cpu(), net.input_spec).save(out, format="PNG")
    return out.getvalue()


def to_wav(tensor: Tensor, net: Net) -> bytes:
    """Return an input as a file that can be heard.

    Args:
        tensor: one input `[*shape]` in the spec's range.
        net: its network.

    Returns:
        A WAV file.

    Raises:
        UsageError: inputs of this network are no sounds.
    """
    found = world_of(net.input_spec).to_file(tensor, net.input_spec)
    if found is None or found[0] != ".wav":
        raise UsageError("a network of sounds", received=net.name)
    return found[1]


def preview(path: Path, name: str) -> tuple[str, bytes]:
    """Draw a file small, whatever it is.

    Args:
        path: the file.
        name: what the user calls it; only its ending counts.

    Returns:
        The kind of its world, and a PNG.

    Raises:
        DataError: it is damaged, or nothing that this package opens.
    """
    suffix = Path(name).suffix.lower()
    kind = next((kind for kind in PREVIEWED_WORLDS if suffix in WORLDS[kind].suffixes), "image")
    out = BytesIO()
    _drawn(path, kind).save(out, format="PNG")
    return kind, out.getvalue()


def _drawn(path: Path, kind: str) -> Image.Image:
    if kind == "image":
        sample = open_whole(path, PHOTO, longest=LONGEST_SIDE)
        return render(sample.input, PHOTO)
    if kind == "sound":
        return render(open_sample(path, CLIP).input, CLIP)
    if kind == "go":
        from convscope.worlds.go import draw_board, read_sgf  # with numba, which not everybody has

        return draw_board(read_sgf(path).board().stones)
    return draw_tokens(path.read_text("utf-8", "replace")[:MAX_CHARACTERS].split()[:MAX_WORDS])
