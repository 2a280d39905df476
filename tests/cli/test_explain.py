"""`convscope explain`, from the picture to the page and back."""

import re
from pathlib import Path

import pytest
from PIL import Image

from convscope import nets
from convscope.jobs.input.explain import method_slug
from convscope.see.attribution.registry import METHODS
from convscope.worlds.datasets import digits


@pytest.fixture
def digit(tmp_path: Path) -> Path:
    path = tmp_path / "digit.png"
    Image.fromarray(digits.test().pixels([0])[0, 0].numpy()).save(path)
    return path


def test_methods_side_by_side(convscope, digit, tmp_path):
    done = convscope(
        "explain",
        digit,
        "--net",
        "digits",
        "--compare",
        "--method",
        "gradcam",
        "--method",
        "lrp",
        "--target",
        "7",
        "--target",
        "output:3",
        "--out",
        tmp_path / "seen",
        "--json",
    )
    assert done.code == 0, done.err
    answer = done.json
    pairs = [(e["target"], e["method"]) for e in answer["explanations"]]
    assert pairs == [("7", "gradcam"), ("7", "lrp"), ("3", "gradcam"), ("3", "lrp")]
    assert all(0 <= e["checks"]["drop"] <= 1 for e in answer["explanations"])
    assert [bool(e["layer"]) for e in answer["explanations"]] == [True, False, True, False]
    layer = answer["explanations"][0]["layer"]
    assert f"layer={layer}" in (tmp_path / "seen" / "index.html").read_text()
    assert any(re.match(r"The network gives 7 a probability of \d+%", line) for line in answer["said"])
    for entry in answer["explanations"]:
        with Image.open(tmp_path / "seen" / entry["picture"]) as picture:
            assert picture.size == (448, 448)
    page = (tmp_path / "seen" / "index.html").read_text()
    assert "Grad-CAM" in page
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", page)


def test_every_method_has_a_file_name_of_its_own():
    slugs = {name: method_slug(name) for name in METHODS}
    assert slugs["gradcam++"] == "gradcampp" and slugs["gradcam"] == "gradcam"
    assert len(set(slugs.values())) == len(METHODS)
    assert all(re.fullmatch("[a-z0-9-]+", slug) for slug in slugs.values())


def test_a_comparison_names_the_best_map(convscope, digit, tmp_path):
    words = ("--compare", "--method", "gradcam", "--method", "gradcam++", "--method", "occlusion")
    done = convscope("explain", digit, "--net", "digits", *words, "--out", tmp_path / "seen", "--json")
    assert done.code == 0, done.err
    (verdict,) = done.json["verdicts"]
    assert set(verdict["scores"]) == {"gradcam", "gradcam++", "occlusion"}
    assert set(verdict["best"]) <= set(verdict["passing"]) <= set(verdict["scores"])
    for entry in done.json["explanations"]:
        score = entry["checks"]["insertion"] - entry["checks"]["deletion"]
        assert verdict["scores"][entry["method"]]["blur"] == pytest.approx(score, abs=1e-6)
    target = verdict["target"]
    drawn = [f"maps/{target}-{name}.png" for name in ("gradcam", "gradcampp", "occlusion")]
    assert [entry["picture"] for entry in done.json["explanations"]] == drawn
    files = {str(p.relative_to(tmp_path / "seen")) for p in (tmp_path / "seen").rglob("*") if p.is_file()}
    assert files == {"index.html", f"{target}-sheet.png", *drawn}
    page = (tmp_path / "seen" / "index.html").read_text()
    assert done.json["said"][0].rstrip(".") in page


def test_the_table_has_the_verdicts_in_their_order(convscope, digit):
    methods = ("deconvnet", "saliency", "gradcam", "occlusion", "inputxgradient")
    words = ["explain", digit, "--net", "digits", "--compare", *(f"--method={name}" for name in methods)]
    (verdict,) = convscope(*words, "--json").json["verdicts"]
    said = {}
    for name in methods:
        tied = "among the best" if len(verdict["best"]) > 1 else "best supported"
        passed = "passes the checks" if name in verdict["passing"] else "fails a check"
        said[name] = tied if name in verdict["best"] else passed
    rank = ["best supported", "among the best", "passes the checks", "fails a check"]
    means = {name: sum(verdict["scores"][name].values()) for name in methods}
    ordered = sorted(methods, key=lambda name: (rank.index(said[name]), -means[name]))
    assert ordered != list(methods)
    lines = [line.split() for line in convscope(*words, "--quiet").out.splitlines()]
    rows = [(line[1], " ".join(line)) for line in lines if len(line) > 3 and line[1] in methods]
    assert [name for name, _ in rows] == ordered
    assert all(said[name] in row for name, row in rows)


def test_targets_of_one_first_word_keep_their_sheets(convscope, digit, tmp_path):
    """ImageNet has two cranes; a file is never written over by the next one."""
    module = nets.load("digits").module
    names = ("crane, a bird", "crane, a machine", *map(str, range(8)))
    nets.save(nets.wrap(module, nets.load("digits").input_spec, names), tmp_path / "net")
    words = ("--method", "saliency", "--target", "0", "--target", "1", "--no-checks")
    done = convscope("explain", digit, "--net", tmp_path / "net", *words, "--out", tmp_path / "seen")
    assert done.code == 0, done.err
    written = sorted(path.name for path in (tmp_path / "seen").glob("*.png"))
    assert written == ["crane-saliency-2.png", "crane-saliency.png", "crane-sheet-2.png", "crane-sheet.png"]


def test_it_can_be_made_again(convscope, digit, tmp_path):
    done = convscope(
        "explain",
        digit,
        "--net",
        "digits",
        "--method",
        "rise",
        "--set",
        "samples=20",
        "--seed",
        "4",
        "--no-checks",
        "--out",
        tmp_path / "seen",
        "--json",
    )
    assert done.code == 0, done.err
    (entry,) = done.json["explanations"]
    assert entry["settings"]["samples"] == 20
    assert entry["checks"] == {}
    again = convscope("replay", tmp_path / "seen" / entry["picture"], "--json")
    assert again.json["replayed"]["same_picture"] is True


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--method", "gradcem"], "gradcam"),
        (["--set", "samples=20"], "samples"),
        (["--method", "rise", "--set", "samples"], "samples=64"),
        (["--method", "rise", "--set", "samples=0"], "greater than or equal to 2"),
        (["--target", "nine"], "number or label"),
        (["--target", "nowhere:3"], "layer"),
        (["--box", "1,2,3,4"], "boxes"),
        (["--net", "mlp"], "maps"),
    ],
)
def test_what_makes_no_sense_is_told(convscope, digit, words, says):
    net = [] if "--net" in words else ["--net", "digits"]
    done = convscope("explain", digit, *net, *words)
    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err


def test_a_method_that_does_not_suit_is_left_out_of_a_comparison(convscope, digit, tmp_path):
    done = convscope(
        "explain",
        digit,
        "--net",
        "mlp",
        "--compare",
        "--method",
        "gradcam",
        "--method",
        "saliency",
        "--no-checks",
        "--out",
        tmp_path / "seen",
        "--json",
    )
    assert done.code == 0
    assert [e["method"] for e in done.json["explanations"]] == ["saliency"]
    assert "Grad-CAM is left out" in done.err


def test_stopped_it_keeps_what_it_has(convscope, digit, tmp_path, monkeypatch):
    from convscope.see.attribution.methods.lrp import Lrp

    def stop(self, task):
        raise KeyboardInterrupt

    monkeypatch.setattr(Lrp, "attributions", stop)
    done = convscope(
        "explain",
        digit,
        "--net",
        "digits",
        "--method",
        "gradcam",
        "--method",
        "lrp",
        "--no-checks",
        "--out",
        tmp_path / "seen",
    )
    assert done.code == 130
    assert [p.name for p in sorted((tmp_path / "seen").glob("*gradcam*"))]


def test_help_before_a_verb_is_its_help(convscope):
    assert convscope("help", "explain") == convscope("explain", "--help")
    assert convscope("help") == convscope("--help")


def test_help_lists_every_method(convscope):
    done = convscope("explain", "--help")
    flat = re.sub(r"[\s│|]+", "", done.out)
    assert done.code == 0
    assert all(name in flat for name in METHODS)
