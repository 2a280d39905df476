"""Any recipe runs without a terminal, to the same files and document, and can be stopped at any moment."""

import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from convscope import jobs, learn, nets
from convscope.cli.core import app
from convscope.errors import Interrupted, UsageError
from convscope.jobs import JOBS
from convscope.jobs.output import results
from convscope.jobs.registry import load
from convscope.recipe import Recipe
from convscope.show.pages import training as pages
from convscope.system.progress import Progress
from convscope.worlds.datasets import digits

FEW = {"steps": 4}
RECIPES = {
    "describe": {"net": "lecture"},
    "classify": {"images": ["digit.png", "noise.txt"], "net": "digits", "top": 2},
    "look": {"image": "digit.png", "net": "digits", "places": ["relu2"], "top_channels": 3},
    "visualize": {"net": "digits", "places": ["conv2:3", "output:1"], "save_steps": [0, 4], **FEW},
    "explain": {"image": "digit.png", "net": "digits", "method": ["gradcam", "saliency"], "checks": False},
    "caricature": {"image": "digit.png", "net": "digits", "layer": ["relu1", "relu2"], **FEW},
    "factors": {"images": ["digit.png"], "net": "digits", "layer": "relu2", "count": 2, **FEW},
    "dream": {"photo": "digit.png", "net": "digits", "layer": ["relu2"], "octaves": 1, "zoom": 1, **FEW},
}
STOPPED = ("visualize", "explain", "caricature", "factors", "dream")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(digits.test().pixels([3])[0, 0].numpy()).resize((40, 40)).save("digit.png")
    Path("noise.txt").write_text("no image")
    return tmp_path


def recipe_of(verb: str) -> Recipe:
    return load(verb).schema.parse(RECIPES[verb])


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def unfinished(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".")]


def comparable(document: dict) -> dict:
    """Without what two runs differ in: the place, and how long they took."""
    plain = json.loads(results.as_json({k: v for k, v in document.items() if k != "out"}))
    for entry in plain.get("explanations", ()):
        del entry["seconds"]
    return plain


@pytest.mark.parametrize("verb", RECIPES)
def test_a_job_makes_what_the_command_line_makes(place: Path, capsys, verb: str) -> None:
    recipe = recipe_of(verb)
    for name in ("job", "shell"):  # what is made may have the name of its folder in it
        (place / name).mkdir()
    job = jobs.run(recipe, place / "job" / "made")
    steps = [(step.fraction, step.message) for step in job]
    assert [fraction for fraction, _ in steps] == sorted(fraction for fraction, _ in steps)
    assert steps[-1][0] == 1 and job.ended and job.document is not None
    capsys.readouterr()
    app.run([*_words(recipe), "--json", "--out", str(place / "shell" / "made")])
    printed = json.loads(capsys.readouterr().out)
    assert comparable(job.document) == comparable(printed)
    if (place / "job" / "made").is_dir():
        assert files_of(place / "job" / "made") == files_of(place / "shell" / "made")
        made = {
            str(p.relative_to(place / "job" / "made"))
            for p in (place / "job" / "made").rglob("*")
            if p.is_file()
        }
        assert {artifact.file for artifact in job.workspace.artifacts} == made
        assert all(artifact.caption for artifact in job.workspace.artifacts)
    else:
        kept = [json.loads((place / name / "made").read_text()) for name in ("job", "shell")]
        assert comparable(kept[0]) == comparable(kept[1])


def _words(recipe: Recipe) -> list[str]:
    import shlex

    return shlex.split(recipe.command())[1:]


@pytest.mark.parametrize("verb", STOPPED)
def test_a_job_that_is_cancelled_at_some_moment_keeps_what_there_is(place: Path, verb: str) -> None:
    whole = jobs.run(recipe_of(verb), place / "whole")
    count = sum(1 for _ in whole)
    moment = random.Random(verb).randrange(1, count - 1)  # the last step comes when all is saved
    job = jobs.run(recipe_of(verb), place / "part")
    for _ in range(moment):
        next(job)
    canceller = threading.Thread(target=job.cancel)
    canceller.start()
    canceller.join()
    with pytest.raises(Interrupted, match="part"):
        next(job)
    assert job.ended and job.document is None
    made = files_of(place / "part")
    assert made and set(made) <= set(files_of(place / "whole"))
    assert {artifact.file for artifact in job.workspace.artifacts} == set(made)
    assert unfinished(place) == []
    assert next(job, None) is None


@pytest.mark.parametrize("verb", STOPPED)
def test_a_job_that_is_cancelled_or_closed_before_the_first_step_leaves_nothing(
    place: Path, verb: str
) -> None:
    before = set(place.rglob("*"))
    job = jobs.run(recipe_of(verb), place / "none")
    job.cancel()
    with pytest.raises(Interrupted, match="before a result was saved"):
        next(job)
    assert set(place.rglob("*")) == before
    job = jobs.run(recipe_of(verb), place / "none")
    next(job)
    job.close()
    assert set(place.rglob("*")) == before and next(job, None) is None


def test_ctrl_c_inside_the_network_keeps_what_there_is(place: Path, monkeypatch) -> None:
    """At every forward pass of a run, counted before."""
    from convscope.nets import Net

    calls, stop = [0], [10**9]

    def counting(*words: object, **named: object) -> Net:
        net = whole(*words, **named)
        net.module.register_forward_pre_hook(counted)
        return net

    def counted(*_: object) -> None:
        calls[0] += 1
        if calls[0] == stop[0]:
            raise KeyboardInterrupt

    whole = nets.load
    monkeypatch.setattr(nets, "load", counting)
    list(jobs.run(recipe_of("caricature"), place / "whole"))
    moments = random.Random(0).sample(range(1, calls[0]), 5)
    for moment in moments:
        calls[0], stop[0], out = 0, moment, place / f"at-{moment}"
        with pytest.raises(Interrupted) as stopped:
            list(jobs.run(recipe_of("caricature"), out))
        kept = "what there is is in" in str(stopped.value)
        assert out.is_dir() == kept and ("strip.png" in files_of(out)) == kept
        assert unfinished(place) == []


def test_a_stop_that_comes_too_late_changes_nothing(place: Path) -> None:
    job = jobs.run(recipe_of("describe"))
    next(job)
    job.cancel()
    assert list(job) == [] and job.document is not None and job.document["parameters"] == 137_660


def test_a_training_that_is_cancelled_can_be_resumed(place: Path, monkeypatch) -> None:
    monkeypatch.setattr("convscope.learn.trainer.trainer.PROGRESS_INTERVAL", -1.0)  # news of every batch
    settings = {"network": "maxpool 4, flatten, dense 10", "data": "digits", "epochs": 1, "batch": 2000}
    schema = load("train").schema
    job = jobs.run(schema.parse(settings), place / "part")
    next(job), next(job)
    job.cancel()
    with pytest.raises(Interrupted) as stopped:
        next(job)
    assert "convscope train --resume" in str(stopped.value.hint)
    again = jobs.run(schema.parse({"resume": str(place / "part")}))
    first = next(again)
    assert first.fraction == 3 / 4
    list(again)
    assert again.document is not None and len(again.document["epochs"]) == 1


def test_the_report_of_a_stopped_training_is_of_the_network_that_is_saved(place: Path, monkeypatch) -> None:
    """With a moving average that is the average, and not what the last step has left."""
    monkeypatch.setattr("convscope.learn.trainer.trainer.PROGRESS_INTERVAL", -1.0)  # news of every batch
    shown, page = [], pages.page
    monkeypatch.setattr(pages, "page", lambda run: shown.append(run) or page(run))
    settings = {
        "network": "conv 2 3x3 stride=3, flatten, dense 10",
        "data": "digits",
        "batch": 2000,
        "ema": 0.9,
    }
    job = jobs.run(load("train").schema.parse(settings), place / "part")
    for _ in range(6):
        next(job)
    job.cancel()
    with pytest.raises(Interrupted):
        next(job)
    saved = nets.load(place / "part").module.state_dict()
    (run,) = shown
    assert all(torch.equal(tensor, saved[name]) for name, tensor in run.setup.net.module.state_dict().items())
    raw = learn.Run.open(place / "part").state().part("model")
    assert not torch.equal(raw["conv1.weight"], saved["conv1.weight"])


def test_the_result_so_far_is_a_document_and_files(place: Path) -> None:
    job = jobs.run(recipe_of("visualize"), place / "made")
    step = next(job)
    document = step.result()
    assert document is not None and document["verb"] == "visualize" and "out" not in document
    assert [entry["place"] for entry in document["pictures"]] == ["conv2:3", "output:1"]
    assert json.loads(results.as_json(document))["recipe"]["places"] == ["conv2:3", "output:1"]
    assert "sheet.png" in {artifact.file for artifact in job.workspace.artifacts}
    assert not (place / "made").exists()
    job.close()


def test_the_log_is_what_the_caller_wants(place: Path) -> None:
    lines: list[str] = []
    recipe = load("visualize").schema.parse({"net": "lecture", "places": ["conv1:0"], "steps": 1})
    list(jobs.run(recipe, place / "made", log=lines.append))
    assert lines == ["lecture has fresh weights: it has learned nothing yet."]


def test_what_exists_and_what_is_no_verb_are_refused_before_the_work(place: Path) -> None:
    (place / "full").write_text("mine")
    with pytest.raises(UsageError, match="does not exist yet"):
        jobs.run(recipe_of("describe"), place / "full")

    class Nothing(Recipe):
        verb = "nothing"

    with pytest.raises(UsageError, match="a verb that exists"):
        jobs.run(Nothing())


def test_every_job_has_a_schema_of_its_verb_and_a_help() -> None:
    for verb in JOBS:
        module = load(verb)
        assert module.schema.verb == verb
        assert module.__doc__


def test_a_stop_reaches_what_is_running_and_may_be_declined() -> None:
    from convscope.jobs.job import mapped
    from convscope.system.progress import Progress

    def steps() -> Iterator[str]:
        try:
            yield "collecting"
        except KeyboardInterrupt:
            yield "enough"
        yield "done"

    running = mapped(steps(), lambda word: Progress(0.0, word, lambda: None))
    assert next(running).message == "collecting"
    assert running.throw(KeyboardInterrupt()).message == "enough"
    assert [step.message for step in running] == ["done"]
    plain = mapped(iter(["a", "b"]), lambda word: Progress(0.0, word, lambda: None))
    next(plain)
    with pytest.raises(KeyboardInterrupt):
        plain.throw(KeyboardInterrupt())


def test_of_several_processes_only_the_first_answers_and_writes(place: Path, monkeypatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    Path("out").mkdir()
    Path("out/model.json").write_text("{}")  # the first process was faster
    steps = iter([Progress(1.0, "epoch 1/1", lambda: {"training": {}})])
    monkeypatch.setattr("convscope.jobs.registry.load", lambda _: SimpleNamespace(run=lambda *_: steps))
    job = jobs.run(learn.ClassificationRecipe(), "out")
    list(job)
    assert job.ended and job.document is None
    assert [path.name for path in Path("out").iterdir()] == ["model.json"]
