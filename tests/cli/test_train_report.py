"""What a training leaves: one number everywhere, a report, and pictures at the size that was asked for."""

import json
import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convscope import learn, nets
from convscope.learn import Classification
from convscope.system.files import PART_PREFIX
from convscope.worlds import open_sample
from convscope.worlds.datasets import digits

CHAIN = "conv 4 5x5, relu, maxpool 2, flatten, dense 10"
COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Three colours, ten pictures of 32 pixels each."""
    generator = torch.Generator().manual_seed(0)
    for name, colour in COLOURS.items():
        place = tmp_path / "small" / name
        place.mkdir(parents=True)
        for k in range(10):
            noise = torch.randint(-20, 20, (32, 32, 3), generator=generator)
            pixels = (noise + torch.tensor(colour)).to(torch.uint8).numpy()
            Image.fromarray(pixels).save(place / f"{k}.png")
    return tmp_path / "small"


def test_table_sentence_and_json_are_one_evaluation_whatever_the_precision(convscope, monkeypatch) -> None:
    evaluate, calls = Classification.evaluate, []

    def counted(self, *args):
        calls.append(1)
        return evaluate(self, *args)

    monkeypatch.setattr(Classification, "evaluate", counted)
    words = ("train", CHAIN, "digits", "--epochs", 1, "--precision", "bf16", "--schedule", "constant")
    found = convscope(*words, "--lr", 0.0001, "--out", "run", "--quiet", "--json").json
    assert len(calls) == 1
    net = nets.load("run")
    exact = learn.evaluate(net, digits.test())
    rough = learn.evaluate(net, digits.test(), execution=nets.ExecutionConfig("bf16"))
    assert abs(exact.loss - rough.loss) > 1e-5  # else this test could not fail
    written = f"{exact.accuracy:.2%}"
    assert found["test"]["accuracy"] == exact.accuracy == found["epochs"][-1]["test_metrics"]["accuracy"]
    assert found["test"]["loss"] == pytest.approx(exact.loss, abs=1e-6)
    assert found["test"]["loss"] == found["epochs"][-1]["test_metrics"]["loss"]
    assert written in found["table"]["rows"][-1] and found["table"]["lines"][0].startswith(written)
    stored = json.loads(Path("run/metrics.jsonl").read_text().splitlines()[-1])
    assert stored["test_metrics"] == found["epochs"][-1]["test_metrics"] and "tested" not in stored
    assert written in Path("run", found["report"]).read_text(encoding="utf-8")


def test_few_samples_that_choose_the_epoch_are_said_everywhere(convscope, small: Path) -> None:
    words = ("train", CHAIN.replace("10", "3"), small, "--epochs", 2, "--patience", 1)
    few = "3 validation samples, each worth 33.3 percentage points"
    found = convscope(*words, "--out", "run", "--quiet", "--json").json
    assert found["validation"] == 3
    assert [few in text for text in found["said"]] == [True] and few in str(found["table"]["lines"])
    assert ["3 个验证样本" in text for text in found["said_zh"]] == [True]
    page = Path("run", found["report"]).read_text(encoding="utf-8")
    assert few in page and "3 个验证样本" in page
    shown = " ".join(convscope(*words, "--out", "again").out.split())
    assert few in shown
    calm = convscope(*words[:5], "--validation-split", 0.1, "--out", "calm", "--quiet", "--json").json
    assert calm["validation"] == 3 and calm["said"] == calm["said_zh"] == []


def test_both_rates_of_a_transfer_are_found_shown_and_kept(convscope) -> None:
    words = ("train", "digits", "--from", "digits", "--samples", 200, "--epochs", 2, "--find-lr")
    found = convscope(*words, "--out", "run", "--quiet", "--json").json
    assert (found["probe_lr_finder"]["rate"], found["lr_finder"]["rate"]) == ("probe_lr", "lr")
    page, kept = Path("run", found["report"]).read_text(encoding="utf-8"), learn.Run.open("run").recipe
    for name, key, picture in (
        ("lr", "lr_finder", "lr_finder.png"),
        ("probe_lr", "probe_lr_finder", "lr_finder_probe.png"),
    ):
        suggested, used = found[key]["suggestion"], found["recipe"][name]
        assert suggested is None or used == float(f"{suggested:.2g}") == getattr(kept, name)
        assert Path("run", picture).exists() and (picture in page) == (suggested is not None)
    assert found["probe_lr_finder"]["suggestion"] is not None


def test_the_command_on_the_report_gives_its_numbers(convscope) -> None:
    from convscope.show.pages import training

    words = ("train", "flatten, dense 10", "digits", "--epochs", 1, "--precision", "fp32", "--out", "run")
    found = convscope(*words, "--quiet", "--json").json
    names: dict[str, object] = {}
    exec(training.EVALUATE.format(folder="run", hardest=3), names)  # as the page prints it
    assert names["found"].accuracy == found["test"]["accuracy"]  # pyright: ignore[reportAttributeAccessIssue]


def test_a_stopped_and_resumed_training_has_a_report_of_all_epochs(convscope, monkeypatch) -> None:
    step_of = Classification.training_step

    def step_once(self, net, batch, execution, step):
        if step == 100:  # in the second epoch of 63 steps
            os.kill(os.getpid(), signal.SIGINT)
        return step_of(self, net, batch, execution, step)

    monkeypatch.setattr(Classification, "training_step", step_once)
    words = ("train", "flatten, dense 10", "digits", "--epochs", 3, "--precision", "fp32", "--out", "run")
    stopped = convscope(*words, "--quiet")
    assert stopped.code == 130
    part = Path("run/report.html").read_text(encoding="utf-8")
    assert "1 of 3 epochs is finished" in part and "train --resume run" in part
    monkeypatch.setattr(Classification, "training_step", step_of)
    found = convscope("train", "--resume", "run", "--quiet", "--json").json
    whole = Path("run/report.html").read_text(encoding="utf-8")
    assert len(found["epochs"]) == 2 and not re.search("epochs (is|are) finished", whole)
    assert "After epoch 3 of 3" in whole and "train --resume run" not in whole


def test_small_pictures_train_at_their_size(convscope, small: Path) -> None:
    chain = "conv 4 3x3, relu, flatten, dense 3"
    words = ("train", chain, small, "--epochs", 1, "--json", "--quiet")
    found = convscope(*words, "--out", "own").json
    assert found["input"] == {"size": [32, 32], "pictures": [[32, 32], [32, 32]], "enlarged": 1.0}
    net = nets.load("own")
    assert net.input_spec.shape == (3, 32, 32)
    with Image.open(small / "red" / "1.png") as file:
        image = torch.from_numpy(np.asarray(file).copy()).permute(2, 0, 1)
    assert torch.equal(open_sample(small / "red" / "1.png", net.input_spec).input, image.float() / 255)
    found = convscope(*words, "--size", 16, "--out", "half").json
    assert found["input"]["size"] == [16, 16]
    assert found["input"]["enlarged"] == 0.562  # to 18, of which the crop of 0.875 keeps 16
    assert nets.load("half").input_spec.shape == (3, 16, 16)


def test_what_is_enlarged_is_said(convscope, small: Path) -> None:
    words = ("units", "efficientnet_lite0", "--data", small, "--places", "conv_stem")
    done = convscope(*words, "--out", "units", "--json")
    assert done.code == 0 and done.json["input"]["enlarged"] == 8.0  # 256 / 32: a crop of 0.875 follows
    assert "enlarged 8 times" in done.err and "32x32" in done.err
    picture = small / "red" / "1.png"
    done = convscope("classify", picture, "--net", "efficientnet_lite0")
    assert "1 of 1 enlarged 8 times" in done.out
    Image.new("RGB", (300, 250)).save("large.png")
    done = convscope("classify", "large.png", "--net", "efficientnet_lite0", "--json")
    assert "enlarged" not in done.json["answers"][0]


def test_a_size_that_does_not_fit_is_refused_before_the_training(convscope) -> None:
    done = convscope("train", "digits", "digits", "--size", 32, "--out", "run")
    assert done.code == 2 and "a size that digits takes" in done.err and "28x28" in done.err
    assert not Path("run").exists()


def test_a_run_that_was_killed_before_its_report_gets_it_when_it_is_resumed(
    convscope, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = convscope("train", "flatten, dense 10", "digits", "--epochs", 1, "--out", run, "--json")
    assert done.code == 0, done.err
    whole = (run / "report.html").read_text()
    (run / "report.html").unlink()
    (run / f"{PART_PREFIX}{'0' * 32}").write_text("half a report")
    again = convscope("train", "--resume", run)
    assert again.code == 2 and "report.html is written now" in again.err
    share = re.search(r"[\d,]+ of [\d,]+ test samples are right: [\d.]+%", whole)
    assert share and share[0] in (run / "report.html").read_text()
    assert not list(run.glob(f"{PART_PREFIX}*"))
    assert "written now" not in convscope("train", "--resume", run).err  # once


def test_a_run_that_was_killed_before_its_last_metrics_is_completed(convscope, tmp_path: Path) -> None:
    """The last epoch is in the state alone: nothing is left to train, and all files are made up for."""
    run = tmp_path / "run"
    words = ("train", "flatten, dense 10", "digits", "--epochs", 2, "--out", run, "--json")
    whole = convscope(*words).json
    lines = (run / "metrics.jsonl").read_text()
    (run / "metrics.jsonl").write_text(lines.splitlines()[0] + "\n")
    (run / "report.html").unlink()
    again = convscope("train", "--resume", run, "--json")
    assert again.code == 0, again.err
    assert again.json["epochs"] == [] and again.json["test"] == whole["test"]
    assert (run / "metrics.jsonl").read_text() == lines
    assert "After epoch 2 of 2" in (run / "report.html").read_text()
