"""`play` and `gtp` at a terminal and beside other programs: streams, what is kept, how boards are drawn."""

import io
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from convscope.cli.core.dialogue import TerminalDialogue
from convscope.cli.tables.go.play import turn
from convscope.worlds.go import read_sgf

FAST = ("--size", "5", "--visits", "8", "--playouts", "2")


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch):
    """Put lines on stdin."""

    def put(*lines: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))

    return put


def test_a_whole_game_is_played_and_saved(convscope, typed, tmp_path: Path) -> None:
    typed("C3", "c3", "frobnicate", "hint", "D2", "undo", "B4", "score", "save mine.sgf", *["pass"] * 60)
    done = convscope("play", "uniform", *FAST)
    assert done.code == 0 and "Traceback" not in done.err
    assert "a stone already" in done.out and "Hints: " in done.out and "Both have passed." in done.out
    result = re.search(r"Result: ([BW]\+[\d.]*\d)", done.out)
    assert result is not None
    (folder,) = (tmp_path / "runs").iterdir()
    game = read_sgf(folder / "game.sgf")
    assert game.size == 5 and game.result == result[1] and len(game.moves) > 4
    assert [move.point for move in game.moves[-2:]] == [None, None]
    assert 2 <= len(read_sgf("mine.sgf").moves) < len(game.moves)
    recipe = json.loads((folder / "recipe.json").read_text())
    assert recipe["verb"] == "play" and recipe["size"] == 5
    assert "\x1b" not in done.out


def test_json_is_one_document_and_the_game_is_on_stderr(convscope, typed) -> None:
    typed("C3", "resign")
    done = convscope("play", "uniform", *FAST, "--json", "--out", "kept")
    assert done.code == 0
    assert (
        done.json["result"] == "W+R" and done.json["moves"][0] == "C3" and done.json["games"] == ["game.sgf"]
    )
    assert "Black resigns" in done.err and Path("kept/game.sgf").exists()
    typed("7 name", "genmove b", "quit", "name")
    done = convscope("gtp", "--net", "uniform", *FAST, "--json")
    assert done.json["commands"] == 3 and len(done.json["moves"]) == 1 and "=7 convscope" in done.err


def test_the_end_of_the_input_keeps_the_game(convscope, typed, tmp_path: Path) -> None:
    typed("C3")
    done = convscope("play", "uniform", *FAST, "--colour", "both", "--out", "kept")
    assert done.code == 0 and "not finished" in done.out
    assert len(read_sgf(tmp_path / "kept/game.sgf").moves) == 1
    typed()
    done = convscope("play", "uniform", *FAST)
    assert done.code == 0 and "nothing is saved" in done.out and not (tmp_path / "runs").exists()


def test_ctrl_c_keeps_the_game(convscope, typed, monkeypatch, tmp_path: Path) -> None:
    whole = TerminalDialogue.receive

    def receive(self: TerminalDialogue, prompt: str = "") -> str | None:
        line = whole(self, prompt)
        if line == "stop":
            raise KeyboardInterrupt
        return line

    monkeypatch.setattr(TerminalDialogue, "receive", receive)
    typed("C3", "new", "D4", "stop")
    done = convscope("play", "uniform", *FAST, "--out", "kept")
    assert done.code == 130 and "next: Go on: convscope play --game kept/game-2.sgf" in done.err
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == [
        "game-2.sgf",
        "game.sgf",
        "recipe.json",
    ]
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]


def test_a_game_goes_on_from_a_file(convscope, typed) -> None:
    Path("a.sgf").write_text("(SZ[5]KM[0.5];B[cc];W[dd])", encoding="utf-8")
    typed("B4")
    done = convscope("play", "uniform", "--game", "a.sgf", *FAST[2:], "--json")
    assert done.json["size"] == 5 and done.json["komi"] == 0.5
    assert done.json["moves"][:3] == ["C3", "D2", "B4"]
    assert "semicolon" in done.err
    assert convscope("play", "--game", "none.sgf").code == 3
    assert convscope("play", "digits").code == 2
    assert convscope("play", "--handicap", "1").code == 2


def run_gtp(*words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "convscope", "gtp", "--net", "uniform", *FAST, *words]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_stdout_holds_the_protocol_alone_and_input_ends_an_analysis() -> None:
    with run_gtp() as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(b"1 name\r\n\n# comment\nplay b C3\n2 genmove w\n\xff\xfe\n5 lz-analyze b 5\n")
        process.stdin.flush()
        lines = [process.stdout.readline() for _ in range(13)]
        whole = b"".join(lines[:9])
        assert re.fullmatch(rb"=1 convscope\n\n=\n\n=2 [A-E][1-5]\n\n\? unknown command\n\n=5\n", whole), (
            whole
        )
        assert all(line.startswith(b"info move ") for line in lines[9:])
        begun = time.monotonic()
        process.stdin.write(b"6 name\n")
        process.stdin.flush()
        while (line := process.stdout.readline()) != b"=6 convscope\n":
            assert line.startswith(b"info move ") or line == b"\n"
        assert time.monotonic() - begun < 10
        process.stdin.close()  # without quit
        assert process.stdout.read() == b"\n"
        assert process.wait(20) == 0
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no pseudo-terminals here")
def test_at_a_terminal_there_are_prompts_and_colours(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    environment = {
        **os.environ,
        "TERM": "xterm-256color",
        "COLUMNS": "70",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    environment.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "convscope", "play", "uniform", *FAST, "--colour", "both"]
    with subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=tmp_path,
        env=environment,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        seen = b""
        for wanted, line in ((b"move 1> ", b"C3\n"), (b"move 2> ", b"\x04")):
            while wanted not in seen:
                seen += os.read(ours, 4096)
            os.write(ours, line)
        try:
            while chunk := os.read(ours, 4096):
                seen += chunk
        except OSError:  # the terminal is gone
            pass
        assert process.wait(20) == 0, seen
    os.close(ours)
    assert b"Black, move 1> " in seen and "◉".encode() in seen and b"\x1b[" in seen
    (folder,) = (tmp_path / "runs").iterdir()
    assert len(read_sgf(folder / "game.sgf").moves) == 1


VIEW = {
    "size": 9,
    "rows": ["X........", "........O", *["........."] * 7],
    "last": "J8",
    "to_play": "Black",
    "moves": 2,
    "taken": [0, 1],
    "heat": None,
}


def drawn(view: dict, **options) -> str:
    out = io.StringIO()
    encoding = options.pop("encoding", "utf-8")
    if encoding != "utf-8":
        out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    Console(file=out, legacy_windows=False, **options).print(turn({"view": view, "said": ["Hello [bold]."]}))
    out.seek(0)
    return out.read()


def test_boards_are_drawn_with_coordinates_in_every_terminal() -> None:
    wide = drawn(VIEW, width=60, color_system=None).splitlines()
    assert wide[0] == wide[10] == "   A B C D E F G H J"
    assert wide[1] == " 9 ●─┬─┬─┬─┬─┬─┬─┬─┐ 9"
    assert wide[2] == " 8 ├─┼─┼─┼─┼─┼─┼─┼─◇ 8"
    assert wide[3] == " 7 ├─┼─•─┼─┼─┼─•─┼─┤ 7"
    assert "Black to play (last: J8)" in wide[11] and wide[-1] == "Hello [bold]."
    narrow = drawn(VIEW, width=20, color_system=None).splitlines()
    assert narrow[0] == "   ABCDEFGHJ" and narrow[1] == " 9 ●┬┬┬┬┬┬┬┐ 9"
    plain = drawn(VIEW, width=60, color_system=None, encoding="ascii").splitlines()
    assert plain[1] == " 9 X . . . . . . . . 9" and plain[2].endswith("O 8") and "+" in plain[3]
    coloured = drawn(VIEW, width=60, color_system="truecolor", force_terminal=True)
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured).splitlines()[1] == wide[1]
    assert "\x1b[38;2;0;0;0;48;2;220;179;92m●" in coloured


def test_hints_are_shaded_by_their_probability() -> None:
    heat = [[0.0] * 9 for _ in range(9)]
    heat[4][4], heat[4][5], heat[4][6], heat[4][7], heat[8][8] = 0.6, 0.2, 0.05, 0.01, 0.001
    view = {**VIEW, "heat": heat}
    assert drawn(view, width=60, color_system=None).splitlines()[5] == " 5 ├─┼─┼─┼─█─▓─▒─░─┤ 5"
    assert drawn(view, width=60, color_system=None, encoding="ascii").splitlines()[5].split()[5:7] == [
        "6",
        "2",
    ]
    coloured = drawn(view, width=60, color_system="truecolor", force_terminal=True).splitlines()[5]
    assert len(set(re.findall(r"48;2;(\d+;\d+;\d+)", coloured))) == 5


@pytest.mark.parametrize(("size", "stars"), [(7, 4), (9, 5), (13, 5), (19, 9), (14, 4), (25, 9)])
def test_star_points_are_those_of_the_rules(size: int, stars: int) -> None:
    from convscope.worlds.go import star_points

    view = {**VIEW, "size": size, "rows": ["." * size] * size, "last": ""}
    text = drawn(view, width=80, color_system=None)
    assert text.count("•") == stars
    if stars:
        lines = text.splitlines()[1 : size + 1]
        found = {
            (y, (x - 3) // 2) for y, line in enumerate(lines) for x, sign in enumerate(line) if sign == "•"
        }
        assert found == set(star_points(size))


def test_a_game_can_be_played_again_with_its_settings(convscope, typed) -> None:
    typed("C3", "quit")
    assert convscope("play", "uniform", *FAST, "--komi", "3.5", "--out", "first").code == 0
    typed("D2", "quit")
    done = convscope("replay", "first/recipe.json", "--out", "second", "--json")
    assert done.code == 0, done.err
    game = read_sgf("second/game.sgf")
    assert game.komi == 3.5 and game.size == 5 and game.moves[0].point == (3, 3)
