"""The verbs about layers as a whole, from end to end, on small real input."""

import re
import signal
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from safetensors.numpy import load_file

from convscope.cli.tables.input.factors import _where as where_active
from convscope.show.images import png


@pytest.fixture
def digit(tmp_path: Path) -> Path:
    from convscope.worlds.datasets import digits

    Image.fromarray(digits.test().pixels([0])[0, 0].numpy()).save(tmp_path / "digit.png")
    return tmp_path / "digit.png"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_an_atlas_is_a_page_and_a_sheet_that_can_be_made_again(convscope, tmp_path: Path) -> None:
    words = (
        "atlas",
        "digits",
        "relu2",
        "--data",
        "digits",
        "--images",
        "60",
        "--per-image",
        "2",
        "--layout",
        "pca",
    )
    done = convscope(*words, "--grid", "4", "--steps", "1", "--min-count", "3", "--out", "made", "--json")
    assert done.code == 0, done.err
    found = done.json
    assert found["vectors"] == 120 and 0 < found["placed"] <= 120
    assert found["layout"] == "pca" and 0 < found["spread"] < 1
    assert all(one["support"] <= one["pictures"] for cell in found["cells"] for one in cell["classes"])
    assert all(cell["labels"][0]["pictures"] == cell["pictures"] for cell in found["cells"])
    page = (tmp_path / "made" / "atlas.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)
    labels = [
        attrs for tag, attrs in tags.found if tag == "label" and "cell" in (attrs.get("class") or "").split()
    ]
    assert len(labels) == len(found["cells"])
    places = {f"grid-area:{cell['row'] + 1}/{cell['column'] + 1}" for cell in found["cells"]}
    assert {attrs["style"] for attrs in labels} == places
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page)
    assert all(attrs.get("alt") is not None for tag, attrs in tags.found if tag == "img")
    sheet = tmp_path / "made" / "atlas.png"
    assert png.recipe_in(sheet)["verb"] == "atlas"
    again = convscope("replay", "made/atlas.png", "--json")
    assert again.code == 0 and again.json["replayed"]["same_picture"] is True


@pytest.mark.parametrize("verb", ["caricature", "invert"])
def test_a_strip_has_the_picture_and_each_layer(convscope, digit: Path, tmp_path: Path, verb: str) -> None:
    words = (
        verb,
        digit,
        "--net",
        "digits",
        "--layer",
        "relu1",
        "--layer",
        "relu2",
        "--steps",
        "2",
        "--out",
        "made",
        "--json",
    )
    done = convscope(*words)
    assert done.code == 1, done.err  # two steps are too few, which is said
    assert [(layer["layer"], layer["verdict"]) for layer in done.json["layers"]] == [
        ("relu1", "failed"),
        ("relu2", "failed"),
    ]
    with Image.open(tmp_path / "made" / "strip.png") as strip:
        assert strip.width > 3 * 224
    again = convscope("replay", "made/strip.png", "--json")
    assert again.json["replayed"]["same_picture"] is True


def test_factors_say_how_much_they_explain(convscope, digit: Path, tmp_path: Path) -> None:
    done = convscope(
        "factors",
        digit,
        digit,
        "--net",
        "digits",
        "--layer",
        "relu2",
        "--count",
        "3",
        "--steps",
        "1",
        "--out",
        "made",
        "--json",
    )
    assert done.code == 0, done.err
    found = done.json
    assert 0 < found["explained"] <= 1 and found["clipped"] == 0
    assert sum(group["share"] for group in found["groups"]) == pytest.approx(1)
    assert {path.name for path in (tmp_path / "made").iterdir()} >= {"factors.png", "group-2.png"}


def test_bad_requests_name_the_next_step(convscope, digit: Path) -> None:
    assert "relu2" in convscope("invert", digit, "--net", "digits", "--layer", "relu22").err
    assert convscope("factors", digit, "--net", "digits", "--layer", "output", "--count", "3").code == 2
    few = convscope(
        "atlas",
        "digits",
        "relu2",
        "--data",
        "digits",
        "--images",
        "16",
        "--layout",
        "pca",
        "--grid",
        "50",
        "--min-count",
        "9",
    )
    assert few.code == 2 and "--min-count" in few.err


def test_an_embedding_is_a_map_with_numbers_and_thumbnails_that_can_be_made_again(
    convscope, tmp_path: Path
) -> None:
    words = ("embed", "digits", "relu3", "--data", "digits", "--images", 60, "--layout", "pca")
    done = convscope(*words, "--out", "made")
    assert done.code == 0 and "60 inputs of digits by 100 units" in done.out, done.err
    assert "PCA; its two axes hold" in done.out
    names = {path.name for path in (tmp_path / "made").rglob("*") if path.is_file()}
    assert names == {
        *("embedding.png", "embedding.safetensors", "activations.safetensors"),
        *("28-0.png", "14-0.png", "7-0.png"),
    }
    numbers = load_file(tmp_path / "made" / "embedding.safetensors")
    assert numbers["layouts.pca"].shape == (60, 2) and sorted(numbers["tiles"].tolist()) == list(range(60))
    recipe = png.recipe_in(tmp_path / "made" / "embedding.png")
    assert recipe["verb"] == "embed" and recipe["layout"] == "pca"
    again = convscope("replay", "made/embedding.png", "--json")
    assert again.code == 0 and again.json["replayed"]["same_picture"] is True


def test_an_embedding_that_is_stopped_while_inputs_are_run_has_those_that_were_run(
    convscope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convscope.see.activation_atlas import embedding

    seen, calls = embedding.read_output, []

    def interrupted(*given):
        calls.append(1)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return seen(*given)

    monkeypatch.setattr(embedding, "read_output", interrupted)
    words = ("embed", "digits", "relu3", "--data", "digits", "--layout", "umap")
    stopped = convscope(*words, "--images", 400, "--out", "early")
    assert stopped.code == 130 and "stopped after 128 inputs and pca" in stopped.err, stopped.err
    assert png.recipe_in(tmp_path / "early" / "embedding.png")["images"] == 128
    assert len(load_file(tmp_path / "early" / "embedding.safetensors")["images"]) == 128


def test_without_umap_the_way_on_is_named(convscope, monkeypatch: pytest.MonkeyPatch) -> None:
    from convscope.see.activation_atlas import layout

    monkeypatch.setattr(layout.importlib.util, "find_spec", lambda name: None)
    done = convscope("atlas", "digits", "relu2", "--data", "digits")
    assert done.code == 4 and "pip install umap-learn" in done.err and "--layout pca" in done.err


def test_an_atlas_that_is_stopped_while_it_collects_is_one_of_fewer_pictures(
    convscope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same as if so many had been asked for, and its picture says so."""
    from convscope.see.features import sampling

    seen, calls = sampling.record_float32, []

    def interrupted(*asked):
        calls.append(1)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return seen(*asked)

    words = (
        "atlas",
        "digits",
        "relu2",
        "--data",
        "digits",
        "--per-image",
        4,
        "--layout",
        "pca",
        "--grid",
        3,
        "--min-count",
        3,
        "--steps",
        1,
    )
    monkeypatch.setattr(sampling, "record_float32", interrupted)
    stopped = convscope(*words, "--images", 200, "--out", "early")
    assert stopped.code == 130 and "after 64 pictures" in stopped.err and len(calls) == 2
    calls.clear()
    last = convscope(*words, "--images", 64, "--out", "last")
    assert last.code == 130 and "after 64 pictures" in last.err and len(calls) == 2
    monkeypatch.setattr(sampling, "record_float32", seen)
    assert convscope(*words, "--images", 64, "--out", "whole").code == 0
    early, whole = (png.recipe_in(tmp_path / name / "atlas.png") for name in ("early", "whole"))
    assert early["images"] == whole["images"] == 64
    assert (tmp_path / "early" / "atlas.html").read_text() == (tmp_path / "whole" / "atlas.html").read_text()


def test_the_table_of_factors_says_in_which_picture_a_group_is_active() -> None:
    assert where_active(["most active: middle"]) == "most active: middle"
    places = ["most active: top left", "", "most active: middle"]
    assert where_active(places) == "picture 1, most active: top left; picture 3, most active: middle"
