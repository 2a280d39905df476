"""A training of every world on a real server: what is offered, handed over, checked and trained over HTTP."""

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image
from tests.lab.conftest import Client

WORKERS = {"jobs": "convscope.lab.workers.jobs"}
GAME = "(;SZ[9]KM[7]RE[B+R];B[{}];W[ff];B[dd];W[fd];B[df])"
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def lab(serve: Callable[..., Client], tmp_path_factory: pytest.TempPathFactory) -> Client:
    """A lab that knows a folder of published sets, in which the spoken digits lie, if they are here."""
    return serve(WORKERS, data=str(tmp_path_factory.mktemp("published")))


def handed_over(lab: Client, files: Files) -> list[dict[str, str]]:
    found = []
    for name, content in files.items():
        answer = lab("PUT", "/api/v1/uploads", content, x_filename=name.rpartition("/")[2])
        assert answer.status == 201, answer.body
        found.append({"id": answer.json["id"], "name": name})
    return found


def done(lab: Client, verb: str, settings: dict[str, Any], **uploads: Files) -> dict[str, Any]:
    """Begin a job as the page does, and wait for its end."""
    files = {name: handed_over(lab, found) for name, found in uploads.items()}
    answer = lab("POST", "/api/v1/jobs", {"verb": verb, "settings": settings, "uploads": files})
    assert answer.status == 201, answer.body
    for _ in range(2400):
        job = lab("GET", f"/api/v1/jobs/{answer.json['id']}").json
        if job["state"] not in ("queued", "running"):
            return job
        time.sleep(0.1)
    raise AssertionError(job)


def trained(lab: Client, settings: dict[str, Any], **uploads: Files) -> dict[str, Any]:
    """Return what the page gets of a training that has ended well."""
    job = done(lab, "train", settings, **uploads)
    assert job["state"] == "done", job["error"]
    training = job["document"]["training"]
    assert training["curve"] and len(training["epochs"]) == training["planned_epochs"]
    names = [metric["name"] for metric in training["metrics"]]  # a GAN has two losses of other names
    assert all(any(point.get(name) is not None for name in names) for point in training["curve"])
    return job


def recipe(lab: Client, name: str) -> dict[str, Any]:
    worlds = lab("GET", "/api/v1/datasets").json
    return next(one for world in worlds for one in world["recipes"] if one["name"] == name)


def test_sets_and_recipes_are_offered_by_world(lab: Client) -> None:
    worlds = {found["world"]: found for found in lab("GET", "/api/v1/datasets").json}
    ready = {name: [s["name"] for s in found["sets"] if s["ready"]] for name, found in worlds.items()}
    assert ready["image"] == ["digits", "strokes"] and ready["text"] == ["phrases"]
    assert ready["sound"] == ["chirps"] and ready["go"] == ["go-9x9"]
    assert {r["name"] for r in worlds["text"]["recipes"]} >= {"kim-rand", "kim-static"}
    assert all(r["world"] == name for name, found in worlds.items() for r in found["recipes"])
    assert recipe(lab, "vae")["files"] is False and "mnist" in recipe(lab, "vae")["sets"]
    assert recipe(lab, "sound-square")["files"] and "chirps" in recipe(lab, "sound-square")["sets"]
    listed = [r["name"] for found in worlds.values() for r in found["recipes"]]
    commands = lab("GET", "/api/v1/verbs/train?recipe=kim-rand").json["fields"]
    usual = {field["name"]: field["default"] for field in commands}
    assert len(listed) == len(set(listed)) > 30
    assert (usual["network"], usual["epochs"], usual["max_norm"]) == ("kim_cnn", 12, 3)
    go = {f["name"]: f for f in lab("GET", "/api/v1/verbs/train?recipe=go-9x9").json["fields"]}
    assert "value_weight" in go and go["lr"]["default"] == 0.004 and go["task"]["default"] == "go"


@pytest.mark.parametrize(
    ("settings", "primary"),
    [
        ({"network": "lecture-relu", "data": "digits", "samples": 256, "epochs": 1}, "accuracy"),
        ({"recipe": "sound-square", "data": "chirps", "samples": 128, "epochs": 1}, "accuracy"),
        ({"recipe": "kim-rand", "data": "phrases", "samples": 256, "epochs": 2, "patience": 1}, "accuracy"),
        ({"recipe": "gan-ring", "samples": 256, "epochs": 1}, None),
        ({"recipe": "universal-approximation", "samples": 256, "epochs": 1}, None),
    ],
)
def test_bundled_data_is_trained_on(lab: Client, settings: dict[str, Any], primary: str | None) -> None:
    training = trained(lab, settings)["document"]["training"]
    names = [metric["name"] for metric in training["metrics"]]
    assert primary is None or primary in names
    if primary:
        assert sum(map(sum, training["test"]["confusion"])) > 0
        assert training["epochs"][-1]["test_metrics"][primary] > 0


def test_bundled_games_are_trained_on(lab: Client) -> None:
    pytest.importorskip("numba", reason="the rules of Go are compiled by numba")
    job = trained(lab, {"recipe": "go-9x9", "samples": 256, "test_samples": 100, "epochs": 1})
    training = job["document"]["training"]
    assert {"top1", "top5"} <= set(training["epochs"][-1]["test_metrics"])
    assert job["command"].startswith("convscope train ") and "go" in job["command"]


def sound(pitch: float, seed: int) -> bytes:
    time_ = np.arange(4000) / 8000
    wave = 0.5 * np.sin(2 * np.pi * pitch * time_) + 0.02 * np.random.default_rng(seed).normal(size=4000)
    made = io.BytesIO()
    soundfile.write(made, wave, 8000, format="WAV")
    return made.getvalue()


def test_a_folder_of_sounds_is_checked_and_trained_on(lab: Client) -> None:
    files = {
        f"{name}/{k}.wav": sound(pitch, k) for name, pitch in (("low", 200), ("high", 900)) for k in range(12)
    }
    bad = {**files, "low/bad.wav": b"RIFF"}
    report = done(lab, "data check", {"kind": "sound"}, folder=bad)["document"]["report"]
    assert report["things"] == "sounds" and report["pictures"] == {"": {"high": 12, "low": 12}}
    assert [one["path"] for one in report["problems"]] == ["low/bad.wav"]
    job = trained(lab, {"recipe": "sound-square", "epochs": 12, "batch": 16}, data=files)
    assert job["command"].startswith("convscope train") and " FOLDER" in job["command"]
    assert job["document"]["training"]["epochs"][-1]["test_metrics"]["accuracy"] == 1
    assert set(job["document"]["classes"]) == {"high", "low"}


TABLE = "".join(
    f"{label}\tthe {thing} was {word}\n"
    for k in range(8)
    for label, word, thing in (("good", "fine", f"film {k}"), ("bad", "awful", f"song {k}"))
)


@pytest.mark.parametrize(
    "files",
    [
        {"reviews.tsv": TABLE.encode()},
        {"train.txt": TABLE.replace("\t", " ").encode(), "test.txt": b"good a fine one\nbad an awful one\n"},
        {
            f"{label}/{k}.txt": f"the thing {k} was {word}".encode()
            for label, word in (("good", "fine"), ("bad", "awful"))
            for k in range(6)
        },
    ],
)
def test_sentences_in_a_table_lines_or_folders_are_checked_and_trained_on(lab: Client, files: Files) -> None:
    report = done(lab, "data check", {"kind": "text"}, folder=files)["document"]["report"]
    assert report["things"] == "texts" and not report["faults"] and report["total"] >= 12
    job = trained(lab, {"network": "kim_cnn_50", "epochs": 2}, data=files)
    assert set(job["document"]["classes"]) == {"good", "bad"}
    if "test.txt" in files:
        assert sum(map(sum, job["document"]["training"]["test"]["confusion"])) == 2


def test_game_records_are_checked_and_trained_on(lab: Client) -> None:
    pytest.importorskip("numba", reason="the rules of Go are compiled by numba")
    points = ["aa", "ab", "ac", "ad", "bb", "bc", "bd", "cc", "cd"]
    files = {f"game-{k}.sgf": GAME.format(point).encode() for k, point in enumerate(points)}
    report = done(lab, "data check", {"kind": "go"}, folder=files)["document"]["report"]
    assert report["things"] == "games" and report["pictures"] == {"": {"9x9": 9}}
    network = "conv 4 3x3 padding=1, relu, conv 1 1x1, flatten"
    job = trained(lab, {"task": "go", "network": network, "epochs": 2, "test_games": 0.2}, data=files)
    assert "top1" in job["document"]["training"]["epochs"][-1]["test_metrics"]


def test_parts_of_a_dropped_folder_stay_parts(lab: Client) -> None:
    def picture(shade: int, k: int) -> bytes:
        made = io.BytesIO()
        Image.new("RGB", (16, 16), (shade, shade + k, 255 - shade)).save(made, "PNG")
        return made.getvalue()

    counts = {"train": 6, "test": 3}
    files = {
        f"{part}/{name}/{k}.png": picture(shade, k + 10 * (part == "test"))
        for part, count in counts.items()
        for name, shade in (("dark", 20), ("light", 200))
        for k in range(count)
    }
    chain = "conv 4 3x3, relu, flatten, dense 2"
    job = trained(lab, {"network": chain, "epochs": 1}, data=files)
    assert job["document"]["train"] == 12
    assert sum(map(sum, job["document"]["training"]["test"]["confusion"])) == 6


def test_published_sets_are_found_in_their_folder_or_handed_over(
    serve: Callable[..., Client], lab: Client, shared_data: Path, tmp_path: Path
) -> None:
    settings = {"recipe": "sound-square", "samples": 64, "epochs": 1}
    archive = (shared_data / "fsdd" / "recordings.zip").read_bytes()
    assert trained(lab, settings, root={"recordings.zip": archive})["document"]["train"] == 64
    refused = done(lab, "train", settings)
    assert refused["state"] == "failed" and "fsdd" in refused["error"]["expected"]
    (tmp_path / "fsdd").symlink_to(shared_data / "fsdd")
    (tmp_path / "text").symlink_to(shared_data / "text")
    other = serve(WORKERS, data=str(tmp_path))
    ready = {s["name"] for w in other("GET", "/api/v1/datasets").json for s in w["sets"] if s["ready"]}
    assert {"fsdd", "fsdd-without-george", "trec", "mr"} <= ready and "mnist" not in ready
    assert set(trained(other, settings)["document"]["classes"]) == set("0123456789")
    words = {"network": "kim_cnn_50", "data": "trec", "samples": 300, "epochs": 1}
    assert "location" in trained(other, words)["document"]["classes"]
