"""A controller that reads GTP to the letter, in front of `convscope gtp` and of GNU Go.

Source: Farnebäck 2002, Specification of the Go Text Protocol, version 2, draft 2, sections 2 and 6.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from tests.worlds.go.gnugo import program

REQUIRED = (
    "protocol_version name version known_command list_commands quit boardsize clear_board komi play genmove"
)
TOURNAMENT = "fixed_handicap place_free_handicap set_free_handicap undo time_settings time_left final_score"
TOURNAMENT += " final_status_list loadsgf reg_genmove showboard"
RESPONSE = re.compile(rb"([=?])(\d*)(?:[ \n]([^\n]+(?:\n[^\n]+)*))? ?\n\n")
"""A sign, the number of the command, and lines of which only the last one is empty."""
SESSION = """\
na\x01me\r
1 protocol_version
2\tboardsize\t9\r
3 clear_board # the rest is a comment
# all of it is a comment
   \t
4 komi 6.5
5 play b D4
6 play W pass
7 play black D4
8 no_such_command
9 known_command play
10 known_command no_such
11 boardsize 99
12 undo
13 undo
14 list_stones b
15 undo
16 p
17 play b J9
18 list_stones black
19 play b D4
20 play b d5
0 known_command quit
2147483647 protocol_version
protocol_version
fixed_handicap 2
21 clear_board
22 set_free_handicap C3 G7
23 final_status_list dead
24 time_settings 60 0 0
25 time_left b 30 0
26 quit
"""
"""What both programs answer in the same words, but for their names."""
REFUSED = "play b I9,play b,komi x,boardsize,time_left b,loadsgf /nowhere.sgf,fixed_handicap 99,play x D4"


@dataclass
class Controller:
    """A controller that sends bytes as they are, and takes no liberty with what comes back."""

    process: subprocess.Popen[bytes]

    def send(self, text: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def response(self) -> tuple[str, str, str]:
        """Return sign, number and text of the next response."""
        assert self.process.stdout
        found = b""
        while not found.endswith(b"\n\n"):
            byte = self.process.stdout.read(1)
            assert byte, f"ended after {found!r}"
            found += byte
        match = RESPONSE.fullmatch(found)
        assert match, found
        return match[1].decode(), match[2].decode(), (match[3] or b"").decode()

    def ask(self, command: str) -> str:
        self.send(f"{command}\n")
        sign, number, text = self.response()
        assert (sign, number) == ("=", "")
        return text


OURS = (sys.executable, "-m", "convscope", "gtp", "--net", "uniform", "--size", "9")
OURS += ("--visits", "2", "--playouts", "1")


@pytest.fixture(params=["convscope", "gnugo"])
def controller(request: pytest.FixtureRequest):
    theirs = ("--mode", "gtp", "--quiet", "--level", "1")
    words: Sequence[str] = OURS if request.param == "convscope" else (program(), *theirs)
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Controller(process)
        process.kill()


def test_commands_of_the_specification_are_there(controller: Controller) -> None:
    listed = controller.ask("list_commands").split("\n")
    for name in (REQUIRED + " " + TOURNAMENT).split():
        assert name in listed
        assert controller.ask(f"known_command {name}") == "true"


def test_a_session_that_is_sent_at_once_is_answered_in_order_and_ends(controller: Controller) -> None:
    controller.send(SESSION)
    found = []
    while not found or found[-1][:2] != ("=", "26"):
        found.append(controller.response())
    assert found[0][:2] == ("=", "") and found[0][2] in ("convscope", "GNU Go")
    expected = {"7": "illegal move", "8": "unknown command", "11": "unacceptable size", "15": "cannot undo"}
    expected |= {"16": "unknown command", "": "board not empty"}
    assert {number: text for sign, number, text in found if sign == "?"} == expected
    answers = {number: text for sign, number, text in found[1:] if sign == "="}
    texts = {number: text for number, text in answers.items() if text}
    assert texts == {
        "1": "2",
        "9": "true",
        "10": "false",
        "18": "J9",
        "0": "true",
        "2147483647": "2",
        "": "2",
    }
    numbers = [number for _, number, _ in found if number]
    assert numbers == [*map(str, range(1, 21)), "0", "2147483647", *map(str, range(21, 27))]
    assert controller.process.stdout and controller.process.stdout.read() == b""
    assert controller.process.wait(20) == 0


def test_what_is_wrong_is_refused_and_the_game_goes_on(controller: Controller) -> None:
    controller.ask("boardsize 9")
    controller.ask("clear_board")
    for number, command in enumerate(REFUSED.split(",")):
        controller.send(f"{number} {command}\n")
        sign, given, text = controller.response()
        assert (sign, given) == ("?", str(number)) and text, command
    assert controller.ask("list_stones b") == controller.ask("list_stones w") == ""
    assert re.fullmatch(r"[A-HJ][1-9]", controller.ask("genmove b"))
    assert len(controller.ask("list_stones b").split()) == 1


def test_commands_that_come_in_pieces_are_put_together(controller: Controller) -> None:
    for piece in ("5 kno", "wn_command", " pl", "ay", "\r", "\n6 proto"):
        controller.send(piece)
    assert controller.response() == ("=", "5", "true")
    controller.send("col_version\n")
    assert controller.response() == ("=", "6", "2")
