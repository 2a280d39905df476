"""`convscope style` from end to end on small pictures."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.cli.tables.style.style import table
from convscope.show.images import png

pytestmark = pytest.mark.slow

QUICK = ("--steps", 3, "--precision", "fp32")


def painted(path: Path, seed: int, size: tuple[int, int] = (48, 40), **save: object) -> Path:
    values = np.random.default_rng(seed).integers(0, 256, (5, 6, 3)).astype("uint8")
    Image.fromarray(values).resize(size, Image.Resampling.BICUBIC).save(path, **save)
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return painted(tmp_path / "photo.png", 0)


@pytest.fixture
def painting(tmp_path: Path) -> Path:
    return painted(tmp_path / "painting.png", 1, (64, 64))


def pixels(path: Path | str) -> np.ndarray:
    with Image.open(path) as image:
        assert image.getexif().get(0x0112) is None
        return np.asarray(image.convert("RGB"), dtype=int)


def test_a_picture_is_painted_and_painted_again(convscope, photo, painting):
    done = convscope("style", photo, "--style", painting, *QUICK, "--json", "--out", "made")
    assert done.code == 0, done.err
    found = done.json
    assert found["layers"]["style"] == ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
    assert found["size"] == [48, 40]
    assert sum(found["style"].values()) < sum(found["style_of_content"].values())
    assert {p.name for p in Path("made").iterdir()} == {"picture.png", "strip.png"}
    assert pixels("made/picture.png").shape == (40, 48, 3)
    assert png.recipe_in(Path("made/picture.png"))["verb"] == "style"
    again = convscope("replay", "made/picture.png", "--json", "--out", "again")
    assert again.code == 0, again.err
    assert again.json["replayed"]["same_picture"] is True


def test_pictures_are_upright_and_keep_their_size(convscope, tmp_path, painting):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = painted(tmp_path / "turned.jpg", 0, exif=exif, quality=95)
    done = convscope("style", turned, "--style", painting, *QUICK, "--out", "made", "--quiet")
    assert done.code == 0, done.err
    assert pixels("made/picture.png").shape == (48, 40, 3)


def test_the_mask_keeps_what_is_black(convscope, tmp_path, photo, painting):
    half = np.zeros((40, 48), "uint8")
    half[:, :24] = 255
    Image.fromarray(half).save(tmp_path / "mask.png")
    done = convscope(
        "style", photo, "--style", painting, "--mask", tmp_path / "mask.png", *QUICK, "--out", "m"
    )
    assert done.code == 0, done.err
    before, after = pixels(photo), pixels("m/picture.png")
    assert (before[:, 24:] == after[:, 24:]).all()
    assert (before[:, :24] != after[:, :24]).any()


def test_ctrl_c_keeps_the_picture(convscope, photo, painting, monkeypatch):
    from convscope.see.style import transfer

    whole = transfer.iter_style_transfer

    def stopped(problem):
        yield from itertools.islice(whole(problem), 2)
        raise KeyboardInterrupt

    monkeypatch.setattr("convscope.see.style.iter_style_transfer", stopped)
    done = convscope("style", photo, "--style", painting, *QUICK, "--out", "made")
    assert done.code == 130
    assert "the picture so far is in made" in done.err
    assert pixels("made/picture.png").shape == (40, 48, 3)


def test_a_preview_lies_beside_the_result_while_it_is_painted(convscope, photo, painting, monkeypatch):
    from convscope.see.style import transfer

    whole, seen = transfer.iter_style_transfer, []

    def watched(problem):
        for stroke in whole(problem):
            yield stroke
            seen.append(Path("made-preview.png").is_file())

    monkeypatch.setattr("convscope.see.style.iter_style_transfer", watched)
    done = convscope("style", photo, "--style", painting, *QUICK, "--preview", 0.001, "--out", "made")
    assert done.code == 0, done.err
    assert seen == [True] * 4
    assert not Path("made-preview.png").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--net", "torchvision/vgg11", "--weights", "none"), 4, "--untrained"),
        (("--style-layer", "relu9_1"), 2, "relu9_1"),
        (("--style-weight", "1", "--style-weight", "2"), 2, "received style_weight 1, 2 for 1 painting"),
        (("--mask", "nowhere.png"), 3, "nowhere.png"),
        (("--guide", "nowhere.png"), 2, "style guide"),
        (("--net", "digits"), 2, "in colour"),
        (("--content-weight", "much"), 2, "content_weight"),
    ],
)
def test_what_makes_no_sense_is_said(convscope, photo, painting, words, code, said):
    done = convscope("style", photo, "--style", painting, *QUICK, *words, "--out", "made")
    assert done.code == code, done.err
    assert said in done.err
    assert not Path("made").exists()


def test_shares_that_say_nothing_are_not_written_out():
    document = {
        "style": {"relu1": 0.024},
        "style_of_content": {"relu1": 2446.946},
        "content": {"relu2": 0.5},
        "unmoved": False,
        "said": ["The style was not reached."],
    }
    made, said = table(document).renderables
    assert str(said) == "The style was not reached."
    cells = [list(column.cells) for column in made.columns]
    assert cells[2:] == [["2.4%", "50.0%"], ["over 1000%", "0.0%"]]


def test_a_style_that_was_not_reached_is_said_with_the_setting_to_change(convscope, photo, painting):
    """Steps that are far too large, and such as reach it."""
    words = ("style", photo, "--style", painting, "--scales", 1, "--json", "--precision", "fp32")
    wild = convscope(*words, "--optimizer", "adam", "--lr", 5, "--steps", 4)
    document = json.loads(wild.out)
    (said,) = document["said"]
    mean = sum(document["style"].values()) / len(document["style"])
    start = sum(document["style_of_content"].values()) / len(document["style_of_content"])
    assert mean > min(1, start)
    assert f"{mean:.0%} of it is missing, {start:.0%} in" in said and "--optimizer lbfgs" in said
    assert "--optimizer lbfgs" in document["said_zh"][0]
    free = convscope(*words, "--content-weight", 0, "--steps", 30)
    assert json.loads(free.out)["said"] == []


def test_no_painting_and_no_picture(convscope, photo, tmp_path):
    assert convscope("style", photo).code == 2
    (tmp_path / "text.jpg").write_text("no picture")
    done = convscope("style", photo, "--style", tmp_path / "text.jpg")
    assert done.code == 3
    assert "text.jpg" in done.err


def test_real_pictures(convscope, shared_data):
    paintings = shared_data / "paintings"
    done = convscope(
        "style",
        paintings / "content_tubingen_neckar.jpg",
        "--size",
        96,
        "--steps",
        30,
        "--json",
        "--style",
        paintings / "van_gogh_starry_night_1889.jpg",
        "--out",
        "made",
        "--color",
        "luminance",
    )
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert sum(found["style"].values()) < 0.2 * sum(found["style_of_content"].values())
