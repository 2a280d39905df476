"""Draw pictures of convscope beside those of its peers, from the same photograph, in the same time.

    OMP_NUM_THREADS=1 python scripts/make_peer_sheets.py style dream atlas

Writes `docs/pictures/style-beside-neural-style.webp`, `docs/pictures/dream-beside-neural-dream.webp` and
`docs/pictures/atlas-beside-dreamlens.webp`, and prints what is written below their tiles. Peers and convscope
see with the same network, `hed-vgg16` or for the atlas `efficientnet_lite0`; what counts are seconds of
processor time from opened pictures to the finished one. The sheet of units is a part of
`benchmarks/visualize.py`.
"""

import base64
import io
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import peers
from PIL import Image

from convscope.show.images import contact_sheet
from convscope.show.images.contact_sheet import SheetRow, SheetTile

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
SIDE = 256
"""Longer side in pixels of what is painted."""
MORE = 10_000.0
WEIGHTS = {100.0: "its default weight of style", MORE: "100 times that weight"}
"""What neural-style is asked for: with these weights of the network its default hardly paints. pystiche has
no default, and gets the larger one; it starts from the photograph, as its examples do."""


def style() -> Image.Image:
    """Return the sheet of style transfer: the pictures given, ours, neural-style's and pystiche's."""
    ours = peers.beside("benchmarks.style_worker", "default", str(SIDE))
    made, seconds = {"convscope, its default": ours}, f"{ours['seconds']:.6f}"
    for weight, name in WEIGHTS.items():
        words = ("stopped", str(SIDE), seconds, str(weight))
        made[f"neural-style, {name}"] = peers.beside("benchmarks.style_worker", *words)
    words = ("pystiche-stopped", str(SIDE), seconds, str(MORE))
    made["pystiche, that weight"] = peers.beside("benchmarks.style_worker", *words)
    tiles = []
    for name, one in made.items():
        facts = [f"{one['steps']} steps, {one['seconds']:.0f} s"]
        if seen := one["seen"]:
            facts += [f"from the photograph {seen['apart']:.2f}", f"style missing {seen['missing']:.2f}"]
        print(name, *facts, sep=", ")
        tiles.append(SheetTile(_opened(one["png"]), name, facts))
    given = [SheetTile(_opened(ours[key]), f"the {key}") for key in ("photograph", "painting")]
    title = "The same photograph, painting, network and seconds"
    return contact_sheet.compose([SheetRow(given), SheetRow(tiles)], title=title, gap=14)


def dream() -> Image.Image:
    """Return the sheet of dreams: the picture, ours, and neural-dream's, in our time and with our steps."""
    found = peers.beside("benchmarks.dream_worker", "sheet")
    tiles = [SheetTile(_opened(found["photograph"]), "the picture")]
    for name, made in found["made"].items():
        facts = [
            f"{made['steps']} steps at each size, {made['seconds']:.1f} s",
            f"energy {made['energy']:.1f} times",
        ]
        print(name, *facts)
        tiles.append(SheetTile(_opened(made["png"]), name, facts))
    return contact_sheet.compose(
        [SheetRow(tiles[:2]), SheetRow(tiles[2:])], title="The same picture, network and layer", gap=14
    )


def atlas() -> Image.Image:
    """Return the sheet of activation atlases: ours, and the same cells drawn by dreamlens in our time."""
    found = peers.beside("benchmarks.atlas_worker")
    tiles = []
    for name in ("convscope", "dreamlens"):
        made = found[name]
        facts = [
            f"{made['cells']} cells drawn in {made['steps']} steps, {made['seconds']:.0f} s",
            f"cosine to the cells' means {made['cosine']:.2f}, {made['strength']:.1f} times as strong, "
            f"clipped {100 * made['clipped']:.1f} %",
        ]
        if "named" in made:
            shares = f"{100 * made['right']:.0f} % of {made['tested']} new vectors"
            facts.append(
                f"{made['named']} cells named: right for {shares} ({100 * made['chance']:.0f} % by chance)"
            )
        else:
            facts.append("no names")
        print(name, *facts, sep=", ")
        tiles.append(SheetTile(_opened(made["png"]), name, facts))
    title = f"The same {found['photographs']} photographs, network, layer, cells and seconds"
    return contact_sheet.compose([SheetRow(tiles)], title=title, gap=28)


def _opened(png: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")


SHEETS: dict[str, tuple[str, Callable[[], Image.Image]]] = {
    "style": ("style-beside-neural-style.webp", style),
    "dream": ("dream-beside-neural-dream.webp", dream),
    "atlas": ("atlas-beside-dreamlens.webp", atlas),
}

if __name__ == "__main__":
    for wanted in sys.argv[1:] or SHEETS:
        file, drawn = SHEETS[wanted]
        drawn().save(PICTURES / file, quality=86)
        print("wrote", PICTURES / file)
