"""`style train`, `style add` and `style apply` from end to end, small; and what they refuse."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from convscope import nets
from convscope.learn.style.setup import SPEC
from convscope.nets.style.bank import StyleBank, StyleBankConfig
from convscope.show.images import png

pytestmark = pytest.mark.slow

SMALL = [
    "--epochs",
    1,
    "--batch",
    2,
    "--side",
    64,
    "--painting-size",
    96,
    "--content-layers",
    "relu1_2",
    "--style-layers",
    "relu1_1",
    "--precision",
    "fp32",
    "--quiet",
    "--json",
]


def picture(path: Path, seed: int, size=(96, 80)) -> Path:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 7, 7, generator=generator)
    pixels = torch.nn.functional.interpolate(coarse, (size[1], size[0]), mode="bilinear")[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((pixels.permute(1, 2, 0) * 255).to(torch.uint8).numpy()).save(path)
    return path


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.copy()


@pytest.fixture
def things(tmp_path) -> Path:
    for index in range(4):
        picture(tmp_path / "photographs" / f"{index}.jpg", index)
    for index, name in enumerate(("wave", "scream", "hat")):
        picture(tmp_path / f"{name}.png", 9 + index)
    return tmp_path


@pytest.fixture
def model(things) -> Path:
    torch.manual_seed(0)
    module = StyleBank(StyleBankConfig(("great-wave", "scream"), width=4, before=0, after=1)).eval()
    return nets.save(nets.wrap(module, SPEC, name="painter"), things / "model")


def test_train_add_apply_replay(convscope, things):
    done = convscope(
        "style",
        "train",
        "photographs",
        "--style",
        "wave.png",
        "--style",
        "munch=scream.png",
        "--width",
        4,
        "--prelude",
        0,
        "--out",
        "bank",
        *SMALL,
    )
    assert done.code == 0, done.err
    assert done.json["styles"] == ["wave", "munch"]
    assert (done.json["photographs"], done.json["held_out"]) == (3, 1)
    (epoch,) = done.json["epochs"]
    assert {"content", "style", "psnr"} <= set(epoch["test_metrics"])
    assert opened(things / "bank" / "sheet.png").width > 3 * 64
    done = convscope("style", "add", "bank", "photographs", "--style", "hat.png", "--out", "more", *SMALL)
    assert done.code == 0, done.err
    before, after = (nets.load(things / name).module.state_dict() for name in ("bank", "more"))
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert {name.split(".")[1] for name in set(after) - set(before)} == {"hat"}
    done = convscope(
        "style",
        "apply",
        "photographs/1.jpg",
        "--model",
        "more",
        "--style",
        "hat:0.5",
        "--style",
        "munch",
        "--out",
        "painted",
        "--json",
    )
    assert done.code == 0, done.err
    assert done.json["mixture"] == {"hat": 0.5, "munch": 0.5}
    assert opened(things / "painted" / "painted.png").size == (96, 80)
    assert png.recipe_in(things / "painted" / "painted.png")["precision"] in ("fp32", "bf16")
    done = convscope("replay", "painted/painted.png", "--json")
    assert done.code == 0, done.err
    assert done.json["replayed"]["same_picture"] is True


def test_one_style_with_johnsons_network(convscope, things):
    words = ("--task", "johnson", "--style", "wave.png", "--width", 4, "--out", "one")
    done = convscope("style", "train", "photographs", *words, *SMALL)
    assert done.code == 0, done.err
    assert convscope("style", "apply", "wave.png", "--model", "one", "--out", "p").code == 0
    done = convscope("style", "apply", "wave.png", "--model", "one", "--style", "wave:0.5")
    assert done.code == 2
    assert "no StyleBank" in done.err


def test_it_is_upright_in_its_own_size_or_the_one_asked_for(convscope, things, model):
    """Orientation 6: the camera lay on its side; the result stands."""
    exif = Image.Exif()
    exif[0x0112] = 6
    opened(things / "wave.png").save(things / "lying.jpg", exif=exif, quality=95)
    for words, size in (((), (80, 96)), (("--size", 48), (40, 48))):
        out = f"upright{len(words)}"
        done = convscope("style", "apply", "lying.jpg", "--model", "model", "--out", out, *words)
        assert done.code == 0, done.err
        assert opened(things / out / "painted.png").size == size


@pytest.mark.parametrize(
    ("words", "model"),
    [
        ((), "stylebank"),
        (("--style", "wave:0.5"), "stylebank"),
        (("--style", "hat.png:0.5"), "adain"),
        (("--style", "photo:0.4", "--style", "hat.png"), "adain"),
    ],
)
def test_what_ships_is_taken_by_what_styles_are(convscope, things, words, model):
    """Names of the StyleBank's, or files of paintings; the picture remembers which."""
    done = convscope("style", "apply", "scream.png", *words, "--out", "first", "--json")
    assert done.code == 0, done.err
    assert done.json["model"] == model
    again = convscope("replay", "first/painted.png", "--out", "second")
    assert again.code == 0, again.err
    assert opened(things / "second/painted.png").tobytes() == opened(things / "first/painted.png").tobytes()


def test_regions_from_masks(convscope, things, model):
    mask = Image.new("L", (96, 80))
    mask.paste(255, (0, 0, 48, 80))
    mask.save(things / "left.png")
    for out, words in (
        ("both", ("--style", "scream", "--mask", "left.png:wave")),
        ("one", ("--style", "scream")),
    ):
        done = convscope(
            "style", "apply", "hat.png", "--model", "model", *words, "--out", out, "--precision", "fp32"
        )
        assert done.code == 0, done.err
    both, one = (opened(things / name / "painted.png") for name in ("both", "one"))
    right = (48 + 28, 0, 96, 80)  # as far as a pixel of this network sees
    assert both.crop(right).tobytes() == one.crop(right).tobytes()
    assert both.crop((0, 0, 20, 80)).tobytes() != one.crop((0, 0, 20, 80)).tobytes()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("train",), 2, "no folder of pictures"),
        (("train", "photographs"), 2, "no painting"),
        (("train", "empty", "--style", "wave.png"), 3, "photographs below"),
        (("train", "nowhere", "--style", "wave.png"), 3, "nothing"),
        (("train", "photographs", "--style", "broken.png"), 3, "broken.png"),
        (("train", "photographs", "--style", "tiny.png"), 3, "64 pixels"),
        (("train", "photographs", "--style", "wave.png", "--style", "a/wave.png"), 2, "twice"),
        (("train", "photographs", "--style", "wave.png", "--judge", "alexnet-two-towers"), 4, "--untrained"),
        (("train", "photographs", "--style", "wave.png", "--content-layers", "relu9"), 2, "relu"),
        (
            ("train", "photographs", "--style", "wave.png", "--task", "johnson", "--style", "hat.png"),
            2,
            "one",
        ),
        (("add", "model", "photographs", "--style", "scream.png"), 2, "already"),
        (("add", "digits", "photographs", "--style", "hat.png"), 2, "StyleBank"),
        (("apply", "wave.png", "--model", "model", "--style", "screm"), 2, "scream"),
        (("apply", "wave.png", "--model", "digits"), 2, "paints"),
        (("apply", "broken.png", "--model", "model"), 3, "broken.png"),
        (("apply", "wave.png", "--style", "nowhere.jpg:0.5"), 3, "nowhere.jpg"),
        (("apply", "wave.png", "--style", "tiny.png"), 3, "64 pixels"),
        (("apply", "wave.png", "--style", "wave", "--style", "hat.png"), 2, "do not mix"),
        (("apply", "wave.png", "--style", "hat.png", "--mask", "hat.png:wave"), 2, "no regions"),
        (("apply", "wave.png", "--model", "model", "--mask", "broken.png:wave"), 3, "broken.png"),
        (("apply", "wave.png", "--model", "model", "--mask", "wave.png"), 2, "FILE:NAME"),
    ],
)
def test_what_is_refused(convscope, things, model, words, code, told):
    (things / "empty").mkdir()
    (things / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing")
    picture(things / "tiny.png", 1, (200, 40))
    done = convscope("style", *words)
    assert done.code == code, done.err
    assert told in done.err, done.err
    assert not (things / "runs").exists() or not list((things / "runs").rglob("*.png"))


def test_a_training_that_was_stopped_goes_on(convscope, things):
    """Two epochs; the state after the first is put back, and the second comes out the same."""
    words = ("style", "train", "photographs", "--style", "wave.png", "--width", 4, "--prelude", 0)
    assert convscope(*words, "--out", "whole", *SMALL, "--epochs", 2).code == 0
    assert convscope(*words, "--out", "half", *SMALL, "--epochs", 2).code == 0
    assert convscope("style", "train", "--resume", "half").code == 2  # it is finished
    assert convscope("train", "--resume", "half").code == 2  # another verb's
    lines = (things / "whole" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["index"] for line in lines] == [1, 2]
