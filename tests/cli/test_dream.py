"""`convscope dream` from end to end, on a small picture, and on what is no such thing."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.show.images import png

FAST = ("--net", "digits", "--layer", "relu2", "--steps", 2, "--octaves", 2, "--jitter", 3)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """On its side in the file: EXIF says to turn it upright, 40 wide and 52 high; light, as paper is."""
    chance = np.random.default_rng(0)
    coarse = Image.fromarray(chance.integers(100, 255, (6, 8, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    coarse.resize((52, 40), Image.Resampling.BICUBIC).save(tmp_path / "photo.png", exif=exif)
    return tmp_path / "photo.png"


def test_a_dream_is_upright_keeps_its_size_and_can_be_made_again(
    convscope, photo: Path, tmp_path: Path
) -> None:
    done = convscope("dream", photo, *FAST, "--out", tmp_path / "one", "--json")
    assert done.code == 0, done.err
    assert [octave["size"] for octave in done.json["octaves"]] == [[37, 29], [52, 40]]
    assert all(octave["after"] > octave["before"] for octave in done.json["octaves"])
    with Image.open(tmp_path / "one" / "dream.png") as made, Image.open(photo) as before:
        assert made.size == (40, 52) and made.mode == "L"
        upright = np.asarray(before.convert("L").transpose(Image.Transpose.ROTATE_270), float)
        assert np.corrcoef(np.asarray(made, float).ravel(), upright.ravel())[0, 1] > 0.5
    assert png.recipe_in(tmp_path / "one" / "dream.png")["layer"] == ["relu2"]
    assert (tmp_path / "one" / "sheet.png").is_file()
    again = convscope("replay", tmp_path / "one" / "dream.png", "--out", tmp_path / "two", "--json")
    assert again.code == 0 and again.json["replayed"]["same_picture"] is True


def test_size_mask_guide_and_units(convscope, photo: Path, tmp_path: Path) -> None:
    mask = Image.new("L", (20, 26))
    mask.paste(255, (10, 0, 20, 26))
    mask.save(tmp_path / "mask.png")
    extra = ("--size", 78, "--mask", tmp_path / "mask.png", "--guide", photo, "--out", tmp_path / "one")
    done = convscope("dream", photo, *FAST, *extra, "--json")
    assert done.code == 0, done.err
    assert done.json["size"] == [78, 60]
    done = convscope("dream", photo, *FAST, "--layer", "conv2:3", "--out", tmp_path / "two")
    assert done.code == 0 and "objective before" in done.out


def test_a_zoom_has_frames_and_a_film(convscope, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "zoomed"
    done = convscope("dream", photo, *FAST, "--zoom", 2, "--zoom-steps", 1, "--out", out, "--json")
    assert done.code == 0 and done.json["frames"] == 3
    assert sorted(path.name for path in (out / "frames").iterdir()) == [f"000{i}.png" for i in range(3)]
    with Image.open(out / "zoom.webp") as film:
        assert film.n_frames == 3 and film.size == (40, 52)
    assert (out / "frames" / "0000.png").read_bytes()[8:] and (out / "dream.png").is_file()


@pytest.mark.parametrize(
    "words, code, says",
    [
        (("missing.png",), 3, "missing.png"),
        (("text.png",), 3, "text.png"),
        (("photo.png", "--layer", "relu9"), 2, "relu9"),
        (("photo.png", "--layer", "dense1"), 2, "large enough"),
        (("photo.png", "--mask", "text.png"), 3, "text.png"),
        (("photo.png", "--mask", "wide.png"), 3, "proportions"),
        (("photo.png", "--mask", "black.png"), 3, "only black"),
        (("photo.png", "--guide", "missing.png"), 3, "missing.png"),
        (("photo.png", "--guide", "wide.png", "--layer", "conv2:3"), 2, "whole layers"),
        (("tiny.png",), 2, "large enough"),
        (("photo.png", "--weights", "none"), 2, "learned something"),
        (("photo.png", "--memory", "lots"), 2, "512MB"),
        (("photo.png", "--memory", "1MB"), 1, "are needed"),
        (("photo.png", "--zoom", "3", "--seamless"), 2, "without --mask"),
        (("photo.png", "--octave-scale", "1"), 2, "octave_scale"),
        (("photo.png", "--lr", "0"), 2, "lr"),
        (("photo.png", "--net", "lecture-mlp"), 2, "lecture-mlp"),
    ],
)
def test_what_is_wrong_is_said(convscope, photo: Path, tmp_path: Path, words, code: int, says: str) -> None:
    (tmp_path / "text.png").write_text("no picture")
    Image.new("L", (90, 20), 255).save(tmp_path / "wide.png")
    Image.new("L", (40, 52)).save(tmp_path / "black.png")
    Image.new("RGB", (3, 2)).save(tmp_path / "tiny.png")
    layer = () if "--layer" in words else ("--layer", "relu2")
    net = () if "--net" in words else ("--net", "digits")
    done = convscope("dream", *words, *net, *layer, "--steps", 1, "--out", tmp_path / "out")
    assert done.code == code and says in done.err, done.err
    assert not (tmp_path / "out").exists() and "Traceback" not in done.err


def test_ctrl_c_keeps_the_picture(convscope, photo: Path, tmp_path: Path, monkeypatch) -> None:
    from convscope.see.deepdream import deepdream

    course = deepdream._DeepDream.run

    def interrupted(self):
        for number, step in enumerate(course(self)):
            if number == 4:
                raise KeyboardInterrupt
            yield step

    monkeypatch.setattr(deepdream._DeepDream, "run", interrupted)
    done = convscope("dream", photo, *FAST, "--out", tmp_path / "kept")
    assert done.code == 130 and "so far" in done.err
    with Image.open(tmp_path / "kept" / "dream.png") as made:
        assert made.size == (40, 52)
