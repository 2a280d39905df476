"""Files of users are read bounded, and written whole."""

import os
from pathlib import Path

import pytest

from convscope.system import files


@pytest.mark.parametrize("made", ["pipe", "folder", "device", "missing", "large"])
def test_only_regular_files_of_bounded_size_are_read(made: str, tmp_path: Path) -> None:
    path = {"device": Path("/dev/zero"), "folder": tmp_path}.get(made, tmp_path / "file")
    if made == "pipe":
        os.mkfifo(path)
    if made == "large":
        path.write_bytes(b"12345")
    with pytest.raises(OSError):
        files.read_bytes(path, limit=4)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "1" * 5000, "[NaN]", '{"a":-Infinity}', "[" * 66 + "]" * 66, ""]
)
def test_hostile_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        files.parse_json(text)


@pytest.mark.parametrize(
    "text",
    ["a" + ".a" * 50_000 + "=1", "a" + " . a" * 50_000 + "=1", "x = " + "[" * 100_000, "x = " + "1" * 5000],
)
def test_hostile_toml_is_a_value_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(ValueError):
        files.read_toml(tmp_path / "x.toml")


def test_what_was_written_is_read(tmp_path: Path) -> None:
    files.write_text(tmp_path / "x.json", '{"a": [1, {"b": 2.5}]}')
    assert files.read_json(tmp_path / "x.json") == {"a": [1, {"b": 2.5}]}


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_permissions_follow_the_umask(umask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        files.write_text(tmp_path / "x", "new")
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == mode


def test_a_link_is_replaced_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "x").symlink_to(tmp_path / "theirs")
    files.write_text(tmp_path / "x", "ours")
    assert (tmp_path / "theirs").read_text() == "theirs"
    assert (tmp_path / "x").read_text() == "ours"


def test_a_failed_write_leaves_everything_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    with pytest.raises(RuntimeError), files.replace_file(tmp_path / "x") as part:
        part.write_text("half")
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_text() == "old"
