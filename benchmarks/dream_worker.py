"""The measurements of `benchmarks.dream`, in one process with neural-dream, taken in turns.

python -m benchmarks.dream_worker
python -m benchmarks.dream_worker sheet

The second is for the sheet (`scripts/make_peer_sheets.py`): it returns pictures, and counts seconds of
processor time.
"""

import base64
import contextlib
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from PIL import Image

import convscope as cs
from benchmarks.style_measures import DATA
from convscope.graph.spec import TensorSpec
from convscope.nets import Net
from convscope.worlds.images import photos

OCTAVES, SCALE, STEPS, JITTER = 4, 1.4, 10, 32
ROUNDS = 2
SIZES = {"vgg16": (240, 320), "googlenet": (640, 832)}
"""Height and width. neural-dream runs GoogLeNet to its last pooling: the smallest octave needs 224 pixels."""
PICTURE, SIDE = "hokusai_great_wave_c1831.jpg", 384
"""What the sheet's dreams are of, and its longer side in pixels."""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = {name: measured(name, Path(folder)) for name in SIZES}
    print(json.dumps({"torch threads": torch.get_num_threads(), "networks": found}))


def measured(name: str, folder: Path) -> dict[str, Any]:
    height, width = SIZES[name]
    chance = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 12, 16, generator=chance)
    photo = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    picture = photos.to_pil(photo[0])
    picture.save(folder / "photo.png")
    net, file, ours, theirs = prepared(name, folder)
    peer = neural_dream(folder, file, theirs, max(height, width))
    ways = {
        "convscope": lambda: dreamt(net, picture, ours, "auto"),
        "convscope, float32": lambda: dreamt(net, picture, ours, "fp32"),
        "neural-dream": lambda: loop_of(peer),
    }
    dreamt(net, picture, ours, "auto")  # measures the precision, once for a machine
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, run in ways.items():
            seconds[way].append(run())
    precision = cs.see.dream(
        net, photos.to_tensor_uncropped(picture, net.input_spec), ours, untrained=True, octaves=1, steps=20
    ).recipe.precision
    return {"size": [height, width], "layer": theirs, "seconds": seconds, "precision": precision}


def prepared(name: str, folder: Path) -> tuple[Net, Path, str, str]:
    """The same network and weights for both, and the layer's name in each."""
    if name == "vgg16":
        return vgg16(folder)
    from neural_dream.neural_dream_core.models.googlenet.bvlc_googlenet import BVLC_GOOGLENET

    torch.manual_seed(0)
    module = BVLC_GOOGLENET()
    module.add_layers()
    file = folder / "bvlc_googlenet.pth"
    torch.save(module.state_dict(), file)
    spec = TensorSpec((3, 224, 224), mean=(0.45,) * 3, std=(1 / 255,) * 3)
    return cs.nets.wrap(module.eval(), spec), file, "inception_4d_3x3_reduce", "inception_4d_3x3_reduce"


def vgg16(folder: Path) -> tuple[Net, Path, str, str]:
    net = cs.load("hed-vgg16")
    tensors = list(net.module.state_dict().values())
    at = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24)
    names = [f"features.{number}.{part}" for number in at for part in ("weight", "bias")]
    state = {key: tensor.float() for key, tensor in zip(names, tensors, strict=True)}
    state["features.0.weight"] = state["features.0.weight"].flip(1)  # theirs looks at blue, green, red
    file = folder / "vgg16.pth"
    torch.save(state, file)
    return net, file, "relu4_3", "relu4_3"


def dreamt(net: Net, picture: Image.Image, layer: str, precision: str) -> float:
    """From the opened picture to the finished one."""
    started = time.perf_counter()
    photo = photos.to_tensor_uncropped(picture, net.input_spec)
    made = cs.see.dream(
        net,
        photo,
        layer,
        octaves=OCTAVES,
        octave_scale=SCALE,
        steps=STEPS,
        jitter=JITTER,
        untrained=True,
        precision=precision,
    )
    photos.to_pil(made.image, net.input_spec)
    return time.perf_counter() - started


def neural_dream(folder: Path, file: Path, layer: str, size: int, steps: int = STEPS) -> ModuleType:
    """Their program, which reads its arguments when it is imported."""
    sys.argv = [
        "neural-dream",
        "-content_image",
        str(folder / "photo.png"),
        "-image_size",
        str(size),
        "-gpu",
        "c",
        "-model_file",
        str(file),
        "-disable_check",
        "-dream_layers",
        layer,
        "-num_octaves",
        str(OCTAVES),
        "-octave_scale",
        str(1 / SCALE),
        "-octave_iter",
        str(steps),
        "-num_iterations",
        "1",
        "-jitter",
        str(JITTER),
        "-seed",
        "0",
        "-print_iter",
        "0",
        "-output_image",
        str(folder / "out.png"),
        "-loss_mode",
        "l2",
        "-model_type",
        "caffe",
        "-model_mean",
        "103.939,116.779,123.68",
    ]
    sys.modules.pop("neural_dream.neural_dream", None)
    return import_module("neural_dream.neural_dream")  # `from neural_dream import` gives the one before


def loop_of(peer: ModuleType, clock: Callable[[], float] = time.perf_counter) -> float:
    """Of their octaves alone: neither loading the network nor saving the picture."""
    marks: dict[str, float] = {}
    sizes, ends = peer.octave_calc, peer.maybe_print

    def begin(*words: Any) -> Any:
        marks["begin"] = clock()
        return sizes(*words)

    def end(*words: Any) -> Any:
        marks.setdefault("end", clock())
        return ends(*words)

    peer.octave_calc, peer.maybe_print = begin, end
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            peer.main()
    finally:
        peer.octave_calc, peer.maybe_print = sizes, ends
    return marks["end"] - marks["begin"]


def sheet() -> None:
    """One picture, dreamt by both with the same steps, and by the peer with as many as take our time."""
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(_sheet(Path(folder))))


def _sheet(folder: Path) -> dict[str, Any]:
    with Image.open(DATA / "paintings" / PICTURE) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    picture.save(folder / "photo.png")
    net, file, layer, theirs = vgg16(folder)
    made = {"convscope": _ours(net, picture, layer)}
    made["neural-dream, our steps"] = _theirs(net, folder, file, theirs, STEPS)
    whole, ours = (made[name]["seconds"] for name in ("neural-dream, our steps", "convscope"))
    few = max(1, round(STEPS * ours / whole))
    if few < STEPS:
        made["neural-dream, our seconds"] = _theirs(net, folder, file, theirs, few)
    before = _energy(net, picture, layer)
    for one in made.values():
        one["energy"] = _energy(net, one.pop("picture"), layer) / before
    return {"photograph": _png(picture), "made": made}


def _ours(net: Net, picture: Image.Image, layer: str) -> dict[str, Any]:
    dreamt(net, picture, layer, "auto")  # measures the precision, once for a machine
    started = time.process_time()
    photo = photos.to_tensor_uncropped(picture, net.input_spec)
    made = cs.see.dream(net, photo, layer, octaves=OCTAVES, octave_scale=SCALE, steps=STEPS, jitter=JITTER)
    image = photos.to_pil(made.image, net.input_spec)
    return {"seconds": time.process_time() - started, "steps": STEPS, "picture": image, "png": _png(image)}


def _theirs(net: Net, folder: Path, file: Path, layer: str, steps: int) -> dict[str, Any]:
    peer = neural_dream(folder, file, layer, SIDE, steps)
    seconds = loop_of(peer, time.process_time)
    with Image.open(folder / "out.png") as opened:
        image = opened.convert("RGB")
    return {"seconds": seconds, "steps": steps, "picture": image, "png": _png(image)}


@torch.no_grad()
def _energy(net: Net, picture: Image.Image, layer: str) -> float:
    """Mean square of the layer's activations for a picture as it is saved: what both raise."""
    photo = photos.to_tensor_uncropped(picture, net.input_spec)
    return float(next(iter(cs.nets.record(net, photo[None], [layer]).values())).square().mean())


def _png(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


if __name__ == "__main__":
    sheet() if sys.argv[1:] == ["sheet"] else main()
