"""Sounds, texts and game records are checked before anything is learned from them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from convscope import jobs, worlds
from convscope.errors import DataError, UsageError
from convscope.worlds import DataCheckRecipe, DatasetReport, text
from convscope.worlds.text.sentences import read_file


def sounds(root: Path, names: dict[str, int | None]) -> None:
    """Write noise by its seed; None is silence."""
    for name, seed in names.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        wave = np.zeros(4000) if seed is None else 0.3 * np.random.default_rng(seed).normal(size=4000)
        soundfile.write(path, wave.clip(-1, 1), 8000)


def test_a_folder_of_sounds_is_told_from_pictures_and_checked(tmp_path):
    sounds(tmp_path, {"no/a.wav": 1, "no/b.flac": 2, "yes/a.wav": 3, "yes/again.wav": 1, "yes/q.wav": None})
    (tmp_path / "yes" / "bad.wav").write_bytes(b"RIFF")
    (tmp_path / "yes" / "notes.txt").write_text("not a sound")
    (tmp_path / "empty").mkdir()
    report = worlds.check_data(tmp_path)
    assert report.pictures == {"": {"empty": 0, "no": 2, "yes": 3}} and not report.ok
    assert [one.path for one in report.problems] == ["yes/bad.wav"] and report.kinds == {"damaged": 1}
    assert [one.paths for one in report.duplicates] == [("no/a.wav", "yes/again.wav")]
    assert report.duplicates[0].across_classes and report.empty_classes == ("empty",)
    assert (report.sizes, report.modes) == ({"0.5 s": 5}, {"8,000 Hz": 5})
    said = str(report)
    assert "5 sounds in 3 classes" in said and "1 file that is no sound is left out" in said
    assert "1 sound is silent, such as yes/q.wav" in said
    assert DatasetReport.from_json(report.to_json()) == report


def test_parts_of_sounds_are_those_of_the_folder(tmp_path):
    sounds(tmp_path, {f"{p}/{c}/{k}.wav": k for p in ("train", "test") for c in "ab" for k in range(2)})
    spec = worlds.open("chirps").specs[0]
    assert worlds.parts(tmp_path, spec) == ("train", "test")
    assert worlds.check_data(tmp_path).pictures == {
        "test": {"a": 2, "b": 2},
        "train": {"a": 2, "b": 2},
    }


def test_texts_in_several_classes_or_parts_are_named(tmp_path):
    (tmp_path / "train.tsv").write_text(
        "label\ttext\ngood\ta fine film\ngood\ta fine film\nbad\tawful\nbad\ta  fine film\nbad\t\n"
    )
    (tmp_path / "test.tsv").write_text("good\tlovely\nbad\tawful\n")
    report = worlds.check_data(tmp_path)
    assert report.pictures == {"train": {"bad": 2, "good": 2}, "test": {"bad": 1, "good": 1}}
    found = {one.paths[0].partition("'")[2].rstrip("'"): one for one in report.duplicates}
    assert set(found) == {"a fine film", "awful"}
    assert found["a fine film"].across_classes and not found["a fine film"].across_splits
    assert found["awful"].across_splits and not found["awful"].across_classes
    assert "1 text stands there again" in str(report) and "1 line or file without" in str(report)
    (tmp_path / "one.txt").write_text("good a film\ngood a book\n")
    one = worlds.check_data(tmp_path / "one.txt")
    assert one.faults and "one class only, good" in one.faults[0]
    with pytest.raises(DataError, match="begin with a class"):
        (tmp_path / "prose.txt").write_text(
            "every line begins\nwith another word\nthan the last\nalways so\n"
        )
        worlds.check_data(tmp_path / "prose.txt")


def test_published_texts_have_the_counts_of_their_lines(shared_data):
    file = shared_data / "text" / "TREC.train.all.txt.gz"
    report = worlds.check_data(file)
    assert report.total == len(read_file(file).texts) == 5452
    assert set(report.pictures[""]) == set("012345") and len(text.SENTENCE_SETS["trec"].classes) == 6


GAME = "(;SZ[9]KM[7]RE[B+R];B[{}];W[ff];B[dd])"


def test_game_records_are_played_and_compared(tmp_path):
    pytest.importorskip("numba", reason="the rules of Go are compiled by numba")
    points = ["aa", "ab", "ac", "ad", "bb", "bc", "bd"]
    for number, point in enumerate(points):
        (tmp_path / f"{number}.sgf").write_text(GAME.format(point))
    shutil.copy(tmp_path / "0.sgf", tmp_path / "copy.sgf")
    (tmp_path / "cut.sgf").write_text("(;SZ[9];B[ee];W[ee])")
    (tmp_path / "large.sgf").write_text("(;SZ[19];B[ee];W[ff])")
    (tmp_path / "bad.sgf").write_text("no game")
    report = worlds.check_data(tmp_path)
    assert report.pictures == {"": {"9x9": 8}} and not report.ok
    kinds = {one.path: one.kind for one in report.problems}
    assert kinds == {
        "bad.sgf": "damaged",
        "copy.sgf": "duplicate",
        "cut.sgf": "damaged",
        "large.sgf": "damaged",
    }
    assert "22 positions" in report.remarks[0] and "black won 7 games" in report.remarks[1]
    (tmp_path / "few").mkdir()
    shutil.copy(tmp_path / "0.sgf", tmp_path / "few" / "0.sgf")
    assert "too few games, 1: of fewer than 6" in worlds.check_data(tmp_path / "few", "go").faults[0]


def test_the_games_that_ship_are_well():
    pytest.importorskip("numba", reason="the rules of Go are compiled by numba")
    report = worlds.check_data("go-9x9", "go")
    assert report.pictures == {"": {"9x9": 633}} and not report.faults


def test_the_verb_takes_the_kind(tmp_path):
    (tmp_path / "reviews.tsv").write_text("good\tlovely\nbad\tawful\ngood\tfine\nbad\tdull\n")
    recipe = DataCheckRecipe.parse({"folder": str(tmp_path / "reviews.tsv"), "kind": "text"})
    job = jobs.run(recipe)
    for _step in job:
        pass
    assert job.document is not None and job.document["report"]["things"] == "texts"
    with pytest.raises(UsageError, match="kind of data"):
        worlds.check_data(tmp_path, "smell")
    with pytest.raises(UsageError, match="pictures, sounds, texts or game records"):
        worlds.check_data(tmp_path, "vector")
