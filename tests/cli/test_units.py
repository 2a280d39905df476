"""The verbs about units, from end to end."""

import json
from pathlib import Path

import pytest
from PIL import Image

from convscope.worlds.datasets import digits


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sixty digits as a folder, one of them damaged."""
    test = digits.test()
    for i in range(60):
        home = tmp_path / "pictures" / test.classes[int(test.labels[i])]
        home.mkdir(parents=True, exist_ok=True)
        Image.fromarray(test.images[i, 0].numpy()).save(home / f"{i:02}.png")
    (home / "59.png").write_bytes((home / "59.png").read_bytes()[:90])
    return tmp_path / "pictures"


def test_units_then_unit_then_replay(convscope, folder: Path) -> None:
    made = convscope("units", "digits", "--data", folder, "--json", "--quiet").json
    assert made["images"] == 59 and made["units"] == 195 and len(made["problems"]) == 1
    assert [layer["place"] for layer in made["layers"]] == ["conv1", "conv2", "dense1", "dense2", "output"]
    again = convscope("units", "digits", "--data", folder, "--json", "--quiet").json
    assert again["index"] == made["index"] and again["layers"] == made["layers"]
    words = ("unit", "digits", "conv2:3", "--data", folder, "--steps", 3, "--top-k", 4)
    found = convscope(*words, "--out", "page", "--json", "--quiet")
    assert found.code == 0, found.err
    assert len(found.json["top"]) == 4 and sum(found.json["histogram"]["counts"]) == 59
    assert found.json["receptive_field"] == [8, 8]
    html = Path("page/unit.html").read_text(encoding="utf-8")
    assert "conv2:3" in html and "http://" not in html and "https://" not in html
    replayed = convscope("replay", "page/unit.png", "--out", "again", "--json", "--quiet").json
    assert replayed["replayed"]["same_picture"] is True


def test_a_chosen_index_serves_its_own_network_only(convscope, folder: Path) -> None:
    words = ("--data", folder, "--quiet", "--index", "here")
    assert convscope("units", "digits", *words, "--places", "conv1").code == 0
    assert convscope("unit", "digits", "conv1:1", *words, "--steps", 1, "--out", "a").code == 0
    bad = convscope("unit", "lecture", "conv1:1", *words, "--steps", 1, "--out", "b")
    assert bad.code == 2 and "another net" in bad.err and not Path("b").exists()


def test_stopped_indexing_is_kept_and_goes_on(convscope, folder: Path, monkeypatch) -> None:
    from convscope.see.units.index.accumulators import UnitAccumulator

    add, calls = UnitAccumulator.add, []

    def interrupted(self, batch):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        add(self, batch)

    words = ("units", "digits", "--data", folder, "--batch", 10, "--index", "here", "--quiet")
    monkeypatch.setattr(UnitAccumulator, "add", interrupted)
    stopped = convscope(*words)
    assert stopped.code == 130 and "20 of 60" in stopped.err and "go on" in stopped.err
    monkeypatch.setattr(UnitAccumulator, "add", add)
    assert convscope(*words, "--json").json["images"] == 59
    assert json.loads(Path("here/index.json").read_text())["facts"]["images"] == 59


def test_a_stopped_pass_of_a_unit_goes_on_and_leaves_no_folder(convscope, folder: Path, monkeypatch) -> None:
    from convscope.see.units.index.accumulators import UnitAccumulator

    add, calls = UnitAccumulator.add, []

    def interrupted(self, batch):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        add(self, batch)

    words = ("unit", "digits", "conv2:3", "--data", folder, "--batch", 10, "--steps", 1, "--out", "page")
    monkeypatch.setattr(UnitAccumulator, "add", interrupted)
    stopped = convscope(*words, "--quiet")
    assert stopped.code == 130 and "20 of 60" in stopped.err and "go on" in stopped.err
    assert not Path("page").exists() and not list(Path().glob(".page*"))
    calls.clear()
    counted = lambda self, batch: (calls.append(1), add(self, batch))  # noqa: E731
    monkeypatch.setattr(UnitAccumulator, "add", counted)
    assert sum(convscope(*words, "--quiet", "--json").json["histogram"]["counts"]) == 59
    assert len(calls) == 4, "the first two batches were looked at again"


def test_a_unit_that_is_stopped_while_it_is_drawn_keeps_its_page(
    convscope, folder: Path, monkeypatch
) -> None:
    from convscope.see.units import report

    sitting = report.iter_unit_report

    def interrupted(*words, **named):
        for number, step in enumerate(sitting(*words, **named)):
            if number == 3:
                raise KeyboardInterrupt
            yield step

    monkeypatch.setattr("convscope.see.units.iter_unit_report", interrupted)
    done = convscope("unit", "digits", "conv2:3", "--data", folder, "--steps", 9, "--out", "page", "--quiet")
    assert done.code == 130 and "step 2 of 9" in done.err
    html = Path("page/unit.html").read_text(encoding="utf-8")
    assert html.count("conv2:3") > 1
    with Image.open("page/unit.png") as sheet:
        assert sheet.width > 600


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("units", "digits", "--data", "nowhere"), 2, "nowhere"),
        (("units", "digits"), 2, "Write: convscope units digits --data digits"),
        (("unit", "digits", "conv2", "--data", "digits"), 2, "one unit"),
        (("unit", "digits", "conv2:99", "--data", "digits"), 2, "units 0 to 49"),
        (("unit", "digits", "conv2:9", "--data", "digits", "--index", "none"), 3, "convscope units"),
    ],
)
def test_requests_that_make_no_sense(convscope, words, code, says) -> None:
    done = convscope(*words, "--quiet")
    assert done.code == code and says in done.err and "Traceback" not in done.err


def test_look_makes_one_page_and_checks_the_layers(convscope, folder: Path) -> None:
    done = convscope("look", "--net", "digits", "--data", folder, "--out", "seen", "--json", "--quiet")
    assert done.code == 0, done.err
    assert [entry["place"] for entry in done.json["health"]][:3] == ["conv1", "relu1", "pool1"]
    assert "flatten" not in [layer["place"] for layer in done.json["layers"]]
    html = Path("seen/look.html").read_text(encoding="utf-8")
    assert html.count('class="stage"') == len(done.json["layers"]) and "redundant" in html
    with Image.open("seen/look.png") as sheet:
        assert sheet.width > 600 and sheet.height > 600
