"""`convscope export`, as people call it."""

import json
from pathlib import Path

import torch
from tests.learn.conftest import small_net

from convscope import nets


def test_a_run_is_exported_with_its_recipe(convscope, tmp_path: Path) -> None:
    nets.save(
        small_net().with_classes(tuple("abcdefghij")), tmp_path / "mine", recipe={"verb": "train", "seed": 3}
    )
    done = convscope("export", "mine", "--out", "net.pt2", "--quiet")
    assert done.code == 0 and "1x28x28, from 0 to 1, not normalised" in done.out and "10 classes" in done.out
    kept = {"convscope.json": ""}
    program = torch.export.load("net.pt2", extra_files=kept).module()
    x = torch.rand(4, 1, 28, 28)
    with torch.no_grad():
        torch.testing.assert_close(program(x)[0], nets.load("mine")(x))
    assert json.loads(kept["convscope.json"])["recipe"] == {"verb": "train", "seed": 3}


def test_a_recipe_that_cannot_be_read_is_missing_in_the_export_and_that_is_said(convscope) -> None:
    nets.save(small_net(), "mine", recipe={"verb": "train", "seed": 3})
    Path("mine/recipe.toml").write_text("seed = [")
    done = convscope("export", "mine", "--out", "net.pt2")
    assert done.code == 0 and "The export does not tell how mine was trained: " in done.err, done.err
    kept = {"convscope.json": ""}
    torch.export.load("net.pt2", extra_files=kept)
    assert json.loads(kept["convscope.json"])["recipe"] is None


def test_a_place_that_is_taken_and_an_ending_of_another_format_are_refused(convscope, tmp_path: Path) -> None:
    (tmp_path / "net.pt2").write_text("mine")
    words = ("export", "lecture", "--quiet")
    assert convscope(*words, "--out", "net.pt2").code == 2
    done = convscope(*words, "--out", "net.onnx", "--format", "torch-export")
    assert done.code == 2 and "ends in .pt2" in done.err
    assert convscope(*words, "--out", "net").code == 2
    assert Path("net.pt2").read_text() == "mine"


def test_fresh_weights_are_exported_where_they_are_asked_for(convscope, tmp_path: Path) -> None:
    done = convscope("export", "digits", "--weights", "none", "--out", "fresh.pt2", "--seed", "3")
    assert done.code == 0 and "fresh weights" in done.err, done.err
    program = torch.export.load("fresh.pt2").module()
    x = torch.rand(3, 1, 28, 28)
    with torch.no_grad():
        torch.testing.assert_close(program(x)[0], nets.load("digits", weights=None, seed=3)(x))


def test_a_network_that_cannot_be_traced_is_refused_without_torch_s_code(convscope) -> None:
    done = convscope("export", "stylebank", "--format", "torch-export", "--out", "net.pt2", "--quiet")
    assert done.code == 2 and len(done.err.splitlines()) == 2 and "torch.ops" not in done.err, done.err
    assert not Path("net.pt2").exists()


def test_without_a_place_it_lies_under_runs(convscope) -> None:
    done = convscope("export", "mlp", "--format", "torch-export", "--json")
    assert done.code == 0 and "fresh weights" in done.err
    assert Path(done.json["out"]).parent.parent == Path("runs") and Path(done.json["out"]).name == "model.pt2"
    assert done.json["difference"] <= done.json["tolerance"]
