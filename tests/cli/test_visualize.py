"""`convscope visualize` from end to end: films, journeys, moving pictures, Ctrl-C, replay."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from convscope.show.images import animation, contact_sheet, png


def test_film_and_moving_picture(convscope, tmp_path: Path) -> None:
    done = convscope(
        *("visualize", "digits", "conv2:3", "--save-steps", "0,4,12", "--steps", "12", "--animate"),
        *("--out", "o", "--json"),
    )
    assert done.code == 0, done.err
    assert done.json["film"] == {"picture": "film.png", "steps": [0, 4, 12]}
    assert png.recipe_in(tmp_path / "o/film.png")["save_steps"] == [0, 4, 12]
    with Image.open(tmp_path / "o/conv2-3.webp") as moving:
        assert moving.n_frames >= 10 and moving.size == (28, 28)
        first = moving.convert("L").getextrema()
        moving.seek(moving.n_frames - 1)
        assert moving.convert("L").getextrema() != first
    assert animation.recipe_in(tmp_path / "o/conv2-3.webp")["places"] == ["conv2:3"]
    again = convscope("replay", "o/conv2-3.webp", "--out", "again")
    assert again.code == 0, again.err
    assert (tmp_path / "again/conv2-3.png").read_bytes() == (tmp_path / "o/conv2-3.png").read_bytes()


def test_a_class_keeps_its_name_in_files_and_document(convscope, tmp_path: Path) -> None:
    places = ("output:goldfish", "output:9", "output:207")
    words = ("visualize", "efficientnet_lite0", *places, "--steps", "0", "--size", "32")
    done = convscope(*words, "--both", "--out", "o", "--json")
    assert done.code == 0, done.err
    made = {entry["place"]: (entry["address"], entry["picture"]) for entry in done.json["pictures"]}
    assert made["output:goldfish"] == ("output:1", "output-goldfish.png")
    assert made["output:ostrich"] == ("output:9", "output-ostrich.png")
    assert made["-output:golden retriever"][0] == "output:207"
    assert all((tmp_path / "o" / picture).is_file() for _, picture in made.values())
    digits = convscope("visualize", "digits", "output:7", "--steps", "0", "--out", "d", "--json")
    assert [entry["place"] for entry in digits.json["pictures"]] == ["output:7"]


def test_files_and_the_sheet_say_what_is_minimised(convscope, tmp_path: Path, monkeypatch) -> None:
    """Variants of both signs stand under each other."""
    sheets = []
    compose = contact_sheet.compose
    monkeypatch.setattr(
        contact_sheet, "compose", lambda rows, **words: sheets.append(rows) or compose(rows, **words)
    )
    words = ("visualize", "digits", "conv2:3", "--steps", "1", "--json")
    done = convscope(*words, "--both", "--variants", "2", "--out", "o")
    assert done.code == 0, done.err
    assert [entry["picture"] for entry in done.json["pictures"]] == [
        "conv2-3.png",
        "conv2-3-2.png",
        "conv2-3-min.png",
        "conv2-3-min-2.png",
    ]
    captions = [[tile.notes[0] for tile in row.tiles] for row in sheets[-1]]
    assert captions == [
        ["conv2:3", "conv2:3 ~2"],
        ["conv2:3 (minimised)", "conv2:3 ~2 (minimised)"],
    ]
    done = convscope(*words, "--negative", "--out", "n")
    assert done.code == 0, done.err
    assert [entry["picture"] for entry in done.json["pictures"]] == ["conv2-3-min.png"]
    assert [tile.notes[0] for row in sheets[-1] for tile in row.tiles] == ["conv2:3 (minimised)"]


def test_a_size_may_be_height_by_width(convscope, tmp_path: Path) -> None:
    words = ("visualize", "efficientnet_lite0", "conv_stem:3", "--steps", "0", "--quiet")
    for number, size in enumerate(
        (["--size", "24x36"], ["--size", "24,36"], ["--size", "24", "--size", "36"])
    ):
        done = convscope(*words, *size, "--out", f"o{number}")
        assert done.code == 0, done.err
        with Image.open(tmp_path / f"o{number}/conv_stem-3.png") as made:
            assert made.size == (36, 24)
    assert convscope(*words, "--size", "24x", "--out", "o").code == 2


def test_journey_makes_one_sheet_and_is_replayed(convscope, tmp_path: Path) -> None:
    words = (
        "visualize",
        "digits",
        "--journey",
        "--stops",
        "3",
        "--units",
        "2",
        "--steps",
        "3",
        "--out",
        "walk",
    )
    done = convscope(*words)
    assert done.code == 0, done.err
    with Image.open(tmp_path / "walk/sheet.png") as sheet:
        assert sheet.width > 2 * 96 and sheet.height > 3 * 96
    assert len(list((tmp_path / "walk").glob("*.png"))) == 2 * 2 + 10 + 1  # all ten answers, and the sheet
    again = convscope("replay", "walk/sheet.png", "--out", "again")
    assert again.code == 0 and "bit for bit" in again.out, again.err


def test_sums_signs_and_phases(convscope, tmp_path: Path) -> None:
    text = "conv2:1 - 0.5*conv2:2"
    done = convscope("visualize", "digits", text, "--both", "--canvas", "maco", "--steps", "2", "--out", "o")
    assert done.code == 0, done.err
    assert len(list((tmp_path / "o").glob("*.png"))) == 3
    for wrong in (["conv2:1 +"], ["conv2:1", "--memory", "little"], ["conv2:1", "--canvas", "oil"], []):
        failed = convscope("visualize", "digits", *wrong)
        assert failed.code == 2 and "next:" in failed.err and "Traceback" not in failed.err


@pytest.mark.slow
def test_ctrl_c_keeps_the_pictures(tmp_path: Path) -> None:
    words = ["visualize", "digits", "conv2:*", "--steps", "1000000", "--out", "kept"]
    process = subprocess.Popen(
        [sys.executable, "-m", "convscope", *words],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "step" in line:
            break
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGINT)
    try:
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert "Traceback" not in err and "the pictures so far are in kept" in err
    assert (tmp_path / "kept/conv2-0.png").is_file() and (tmp_path / "kept/sheet.png").is_file()
