"""Draw pictures of convscope beside those of its peers, from the same photograph, in the same time.

    OMP_NUM_THREADS=1 python scripts/make_peer_sheets.py style dream

Writes `docs/pictures/style-beside-neural-style.webp` and `docs/pictures/dream-beside-neural-dream.webp`, and
prints what is written below their tiles. Peers and convscope see with the same network, `hed-vgg16`; what counts
are seconds of processor time from opened pictures to the finished one. The sheet of units is a part of
`benchmarks/visualize.py`.
"""

import base64
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks import peers
from convscope.show.images import contact_sheet
from convscope.show.images.contact_sheet import SheetRow, SheetTile

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
SIDE, ITERATIONS = 256, 1000
"""Longer side of what is painted, and neural-style's default number of steps."""
STRONG = 10_000.0
"""A weight of style with which neural-style paints with these weights, too; its default is 100."""


def style() -> Image.Image:
    """Return the sheet of style transfer: a row of ours, rows of neural-style with two weights."""
    ours = peers.beside("benchmarks.style_worker", "default", str(SIDE))
    print("convscope", _facts(ours))
    rows = [
        SheetRow(
            [
                _style_tile(ours, "convscope, its default"),
                SheetTile(_opened(ours["photograph"]), "the photograph"),
                SheetTile(_opened(ours["painting"]), "the painting"),
            ],
            "convscope",
        )
    ]
    for weight, name in ((100.0, "its default weight of style"), (STRONG, f"{STRONG / 100:g} times that weight")):
        words = ("stopped", str(SIDE), str(ITERATIONS), f"{ours['seconds']:.6f}", str(weight))
        found = peers.beside("benchmarks.style_worker", *words)
        tiles = [_style_tile(found["early"], "stopped after our seconds"), _style_tile(found["whole"], "whole run")]
        print("neural-style", weight, *(_facts(found[key]) for key in ("early", "whole")), sep="\n  ")
        rows.append(SheetRow(tiles, "neural-style 0.5.7", [name]))
    return contact_sheet.compose(rows, title="The same photograph and painting, the same network", gap=14)


def dream() -> Image.Image:
    """Return the sheet of dreams: the photograph, ours, and neural-dream in the same time and with our steps."""
    found = peers.beside("benchmarks.dream_worker", "sheet")
    tiles = [SheetTile(_opened(found["photograph"]), "the picture")]
    for name, made in found["made"].items():
        facts = [f"{made['steps']} steps at each size, {made['seconds']:.1f} s", f"energy {made['energy']:.1f} times"]
        print(name, *facts)
        tiles.append(SheetTile(_opened(made["png"]), name, facts))
    return contact_sheet.compose(
        [SheetRow(tiles[:2]), SheetRow(tiles[2:])], title="The same picture, network and layer", gap=14
    )


def _style_tile(made: dict[str, Any], name: str) -> SheetTile:
    return SheetTile(_opened(made["png"]), name, _facts(made))


def _facts(made: dict[str, Any]) -> list[str]:
    seen = made["seen"]
    facts = [f"{made['steps']} steps, {made['seconds']:.0f} s"]
    return [*facts, f"content {seen['apart']:.2f}, style {seen['missing']:.2f}"] if seen else facts


def _opened(png: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")


SHEETS: dict[str, tuple[str, Callable[[], Image.Image]]] = {
    "style": ("style-beside-neural-style.webp", style),
    "dream": ("dream-beside-neural-dream.webp", dream),
}

if __name__ == "__main__":
    for wanted in sys.argv[1:] or SHEETS:
        file, drawn = SHEETS[wanted]
        drawn().save(PICTURES / file, quality=86)
        print("wrote", PICTURES / file)
