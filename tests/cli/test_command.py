import sys
import types
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from pydantic import Field

from convscope.jobs import JOBS
from convscope.jobs.job import Steps, finished
from convscope.jobs.output.workspace import Workspace
from convscope.jobs.program import doctor
from convscope.recipe import SeededRecipe


class Bake(SeededRecipe):
    """Every type a field can have."""

    verb: ClassVar[str] = "bake"
    positional: ClassVar[tuple[str, ...]] = ("oven", "cakes")

    oven: str = Field(description="which oven")
    cakes: tuple[str, ...] = Field((), description="which cakes")
    heat: float = Field(180.0, gt=0, le=300, description="degrees")
    minutes: int = Field(30, ge=1, description="how long")
    lid: bool = Field(True, description="with a lid")
    shelf: Literal["top", "middle"] = Field("middle", description="which shelf")
    spice: tuple[str, ...] = Field(("salt",), description="spices")
    weight: int | Literal["auto"] = Field("auto", description="grams")
    note: str | None = Field(None, description="a note [in brackets]")
    table: dict[str, int] = Field(default_factory=dict, description="only a file can hold this")


def run(recipe: Bake, workspace: Workspace) -> Steps:
    print("noise from a library")
    yield finished({"oven": recipe.oven, "odd": float("nan"), "cakes": [{"name": "plum", "good": True}]})


@pytest.fixture
def bake(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("bake", "Bake cakes.\n\nMore words.")
    module.__dict__.update(schema=Bake, run=run)
    module.__spec__ = ModuleSpec("bake", None, origin=doctor.__file__)  # a file for the summary
    monkeypatch.setitem(sys.modules, "bake", module)
    monkeypatch.setitem(JOBS, "bake", "bake")


def recipe_of(done: Any) -> dict[str, Any]:
    return done.json["recipe"]


@pytest.mark.usefixtures("bake")
class TestFlags:
    def test_every_flag_reaches_its_field(self, convscope) -> None:
        done = convscope(
            "bake",
            "gas",
            "plum",
            "apple",
            "--heat",
            "200.5",
            "--minutes",
            "5",
            "--no-lid",
            "--shelf",
            "top",
            "--spice",
            "clove",
            "--spice",
            "ginger",
            "--weight",
            "70",
            "--note",
            "x",
            "--seed",
            "3",
            "--json",
        )
        assert recipe_of(done) == {
            "oven": "gas",
            "cakes": ["plum", "apple"],
            "heat": 200.5,
            "minutes": 5,
            "lid": False,
            "shelf": "top",
            "spice": ["clove", "ginger"],
            "weight": 70,
            "note": "x",
            "table": {},
            "device": "auto",
            "seed": 3,
        }

    def test_the_command_of_a_recipe_makes_the_same_recipe(self, convscope) -> None:
        import shlex

        wanted = Bake(
            oven="a b", cakes=("plum",), heat=1.5, lid=False, spice=("x", "y z"), weight=3, seed=2**60
        )
        done = convscope(*shlex.split(wanted.command())[1:], "--json")
        assert Bake.parse(recipe_of(done)) == wanted

    def test_flags_win_over_the_file_and_the_file_over_defaults(self, convscope, tmp_path: Path) -> None:
        (tmp_path / "b.toml").write_text(
            'verb = "bake"\noven = "gas"\nheat = 100\nminutes = 9\nspice = ["a", "b"]\nlid = false\n'
            "[table]\nx = 1\n"
        )
        done = convscope("bake", "--config", "b.toml", "--minutes", "7", "--spice", "c", "--lid", "--json")
        got = recipe_of(done)
        assert (got["oven"], got["heat"], got["minutes"]) == ("gas", 100.0, 7)
        assert (got["spice"], got["lid"], got["table"], got["shelf"]) == (["c"], True, {"x": 1}, "middle")

    def test_help_shows_descriptions_limits_defaults_and_choices(self, convscope) -> None:
        out = " ".join(convscope("bake", "--help").out.replace("│", " ").split())
        wanted = (
            "which oven",
            "degrees, above 0, at most 300 [default: 180.0]",
            "top|middle",
            "--no-lid",
            "--config",
        )
        for words in (*wanted, "at least 1", "a note [in brackets]", "[CAKES...]", "auto|INTEGER"):
            assert words in out, words
        assert "--table" not in out

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ('oven = "gas"\nminuts = 3', "Did you mean minutes?"),
            ('oven = "gas"\nminutes = "long"', "minutes: "),
            ('oven = "gas"\nminutes = 1.5', "minutes: "),
            ('oven = "gas"\nheat = nan', "heat: "),
            ('oven = "gas"\nheat = inf', "heat: "),
            ('oven = ["gas"]', "oven: "),
            ("heat = 3", "no OVEN"),
            ('oven = "gas"\nverb = "boil"', "Run: convscope boil --config"),
        ],
    )
    def test_a_wrong_file_is_a_usage_error(self, convscope, tmp_path: Path, text: str, words: str) -> None:
        (tmp_path / "b.toml").write_text(text)
        done = convscope("bake", "--config", "b.toml")
        assert done.code == 2
        assert words in done.err

    @pytest.mark.parametrize("content", [b"\xff\xfe\x00binary", b"oven = ", b"[[[", b"\x00" * 10])
    def test_a_file_that_is_no_toml_is_bad_data(self, convscope, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "b.toml").write_bytes(content)
        done = convscope("bake", "--config", "b.toml")
        assert done.code == 3
        assert "a TOML file" in done.err

    @pytest.mark.parametrize("path", ["nowhere.toml", "."])
    def test_a_config_that_is_no_file_is_bad_data(self, convscope, path: str) -> None:
        assert convscope("bake", "gas", "--config", path).code == 3

    def test_stdout_is_the_document_alone(self, convscope) -> None:
        done = convscope("bake", "gas", "--json")
        assert done.json["odd"] is None, "NaN is no JSON"
        assert "noise from a library" in done.err
        plain = convscope("bake", "gas")
        assert [line.split() for line in plain.out.splitlines()] == [
            ["oven:", "gas"],
            ["odd:", "nan"],
            ["cakes"],
            ["name", "good"],
            ["plum", "True"],
        ]

    def test_out_holds_the_document_and_is_never_overwritten(self, convscope, tmp_path: Path) -> None:
        import json

        assert convscope("bake", "gas", "--out", "deep/a.json").code == 0
        kept = (tmp_path / "deep/a.json").read_text()
        assert json.loads(kept)["oven"] == "gas"
        again = convscope("bake", "wood", "--out", "deep/a.json")
        assert again.code == 2
        assert "does not exist yet" in again.err
        assert (tmp_path / "deep/a.json").read_text() == kept
        assert [p.name for p in (tmp_path / "deep").iterdir()] == ["a.json"], "nothing half-written"
