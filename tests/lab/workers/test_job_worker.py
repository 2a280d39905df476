"""The job worker: what is told while jobs run, and what becomes of them when they are stopped or killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw

from convscope.errors import PlaceError
from convscope.lab.folder import LabFolder
from convscope.lab.queue.job import Event, QueuedJob
from convscope.lab.queue.table import Queue
from convscope.lab.workers import jobs as worker
from convscope.lab.workers.requests import link_uploads
from convscope.learn import Run

NET = "conv 3 5x5, relu, maxpool 4, conv 4 3x3, relu, flatten, dense 10"
TRAIN: dict[str, Any] = {"network": NET, "data": "digits", "samples": 320, "batch": 64, "epochs": 3}
TRAIN |= {"precision": "fp32", "memory_format": "contiguous", "schedule": "constant", "lr": 0.01}


@pytest.fixture
def folder(tmp_path: Path) -> LabFolder:
    return LabFolder(tmp_path / "runs")


@pytest.fixture
def queue(folder: LabFolder) -> Iterator[Queue]:
    made = Queue(folder.queue)
    yield made
    made.database.close()


@contextmanager
def working(folder: LabFolder) -> Iterator[threading.Event]:
    """A worker in a thread; at the end it is closed."""
    closed = threading.Event()
    thread = threading.Thread(target=worker.work, args=(folder.runs, closed))
    thread.start()
    try:
        yield closed
    finally:
        closed.set()
        thread.join(60)
        assert not thread.is_alive()


def until(found: Callable[[], Any], seconds: float = 120.0) -> Any:
    """The first true value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = found()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def events(queue: Queue, id_: str, kind: str) -> list[Event]:
    return [event for event in queue.events(id_=id_, limit=100_000) if event.kind == kind]


def ended(queue: Queue, id_: str) -> QueuedJob:
    return until(lambda: (job := queue.job(id_)).over and job)


def drawn_seven(folder: LabFolder) -> str:
    """An upload, by its id."""
    id_ = "7" * 64
    path = folder.internal / "uploads" / id_
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = Image.new("RGB", (60, 60), "white")
    ImageDraw.Draw(drawn).line([(15, 12), (44, 12), (28, 50)], fill="black", width=6)
    drawn.save(path, "PNG")
    return id_


def test_a_training_is_told_while_it_runs_and_does_what_it_is_asked_for(
    folder: LabFolder, queue: Queue
) -> None:
    id_ = queue.add("train", TRAIN | {"epochs": 400})
    with working(folder):
        until(lambda: events(queue, id_, "epoch"))
        queue.control(id_, "freeze", "conv1:1")
        queue.control(id_, "lr", 0.002)
        queue.control(id_, "freeze", "conv9")
        told = until(lambda: len(found := events(queue, id_, "control")) == 3 and found)
        assert [event.body["action"] for event in told] == ["freeze", "lr", "freeze"]
        assert [event.body["error"] is None for event in told] == [True, True, False]
        (state,) = until(lambda: events(queue, id_, "training"))
        assert state.body["frozen"] == ["conv1:1"] and state.body["max_lr"] == 0.002
        before, stood = Run.open(queue.job(id_).result_folder).state(), queue.job(id_).fraction
        until(lambda: queue.job(id_).fraction > stood + 0.005)
        until(lambda: events(queue, id_, "metric")[-1].body["lr"] == 0.002)
        queue.control(id_, "pause", None)
        until(lambda: events(queue, id_, "training")[-1].body["paused"])
        where = queue.job(id_).fraction
        time.sleep(0.5)
        assert queue.job(id_).fraction == where and queue.job(id_).message.startswith("paused")
        queue.cancel(id_)
        job = ended(queue, id_)
    assert job.state == "cancelled" and job.error is not None and "--resume" in job.error["hint"]
    assert job.document is not None and len(job.document["training"]["curve"]) > 1
    assert job.document["training"]["samples"]["samples"]
    titles = [entry["title"] for entry in job.artifacts]
    assert "test samples of each cell of the confusion matrix" in titles and "report" in " ".join(titles)
    after = Run.open(job.result_folder).load().module.state_dict()["conv1.weight"]
    assert before is not None and torch.equal(before.part("model")["conv1.weight"][1], after[1])
    assert not torch.equal(before.part("model")["conv1.weight"][0], after[0])


def test_a_training_goes_on_when_the_lab_is_started_again(folder: LabFolder, queue: Queue) -> None:
    id_ = queue.add("train", TRAIN | {"epochs": 30})
    with working(folder) as closed:
        until(lambda: events(queue, id_, "epoch"))
        closed.set()
    job = queue.job(id_)
    assert (job.state, job.tries) == ("queued", 0) and "started again" in job.message
    stopped = len(events(queue, id_, "epoch"))
    assert 1 <= stopped < 30
    worker.work(folder.runs, threading.Event(), until_idle=True)
    job = queue.job(id_)
    assert job.state == "done", job.error
    assert [event.body["index"] for event in events(queue, id_, "epoch")] == list(range(1, 31))
    assert job.document is not None and Path(job.document["out"]) == Path(job.result_folder)
    training = job.document["training"]
    assert [epoch["index"] for epoch in training["epochs"]] == list(range(1, 31))
    at = [point["epochs_done"] for point in training["curve"]]
    assert at == sorted(at) and at[0] <= 1 and at[-1] == 30
    assert len(Run.open(job.result_folder).epochs) == 30


def test_a_paused_training_stays_paused_when_the_lab_is_started_again(
    folder: LabFolder, queue: Queue
) -> None:
    id_ = queue.add("train", TRAIN | {"epochs": 60})
    with working(folder) as closed:
        until(lambda: events(queue, id_, "epoch"))
        queue.control(id_, "pause", None)
        until(lambda: events(queue, id_, "training")[-1].body["paused"])
        closed.set()
    before, stored = queue.job(id_), Run.open(queue.job(id_).result_folder).state()
    assert before.state == "queued" and before.document is not None and stored is not None
    job = before
    for _start in range(worker.MAX_TRIES + 1):  # however often: it is no reason to give it up
        with working(folder):
            until(lambda: queue.job(id_).message == "paused")
            until(lambda: events(queue, id_, "training")[-1].body["paused"])
            time.sleep(0.3)
            job = queue.job(id_)
    after = Run.open(job.result_folder).state()
    assert job.state == "running" and job.fraction == pytest.approx(before.fraction) and after is not None
    assert (after.values["epoch"], after.values["step"]) == (stored.values["epoch"], stored.values["step"])
    kept, now = stored.part("model"), after.part("model")
    assert all(torch.equal(kept[name], now[name]) for name in kept)
    assert job.document is not None
    shown, was = job.document["training"], before.document["training"]
    assert shown["paused"] and shown["curve"] == was["curve"] and shown["epochs"] == was["epochs"]
    assert shown["test"] == was["test"] and shown["samples"] == was["samples"]
    assert shown["kernels"] == was["kernels"]
    with working(folder):
        until(lambda: queue.job(id_).message == "paused")
        queue.control(id_, "lr", 0.002)
        until(lambda: events(queue, id_, "training")[-1].body["max_lr"] == 0.002)
        assert events(queue, id_, "training")[-1].body["paused"]
        queue.control(id_, "resume", None)
        done = ended(queue, id_)
    assert done.state == "done", done.error
    assert [event.body["index"] for event in events(queue, id_, "epoch")] == list(range(1, 61))


def test_a_training_that_is_paused_since_the_start_can_be_cancelled(folder: LabFolder, queue: Queue) -> None:
    id_ = queue.add("train", TRAIN | {"epochs": 500})  # paused and stopped long before
    with working(folder) as closed:
        until(lambda: events(queue, id_, "epoch"))
        queue.control(id_, "pause", None)
        until(lambda: events(queue, id_, "training")[-1].body["paused"])
        closed.set()
    with working(folder):
        until(lambda: queue.job(id_).message == "paused")
        queue.cancel(id_)
        job = ended(queue, id_)
    assert job.state == "cancelled" and job.error is not None and "--resume" in job.error["hint"]
    assert Run.open(job.result_folder).epochs and "report" in " ".join(
        entry["title"] for entry in job.artifacts
    )


@pytest.mark.slow  # another process imports torch
def test_a_killed_training_goes_on_from_its_state(folder: LabFolder, queue: Queue) -> None:
    id_ = queue.add("train", TRAIN)
    code = (
        "import sys, threading; from pathlib import Path; from convscope.lab.workers import jobs\n"
        "jobs.work(Path(sys.argv[1]), threading.Event())"
    )
    queue.control(id_, "pause", None)
    with subprocess.Popen([sys.executable, "-c", code, str(folder.runs)]) as child:
        until(lambda: [e for e in events(queue, id_, "training") if e.body["paused"]])
        os.kill(child.pid, signal.SIGKILL)
    assert queue.job(id_).state == "running"  # it could not say anything any more
    stored = Run.open(queue.job(id_).result_folder).state()
    assert stored is not None and (0, 0) < (stored.values["epoch"], stored.values["step"]) < (2, 0)
    with working(folder):  # it was paused when it was killed, and stays so
        until(lambda: queue.job(id_).message == "paused")
        time.sleep(0.5)
        assert (queue.job(id_).state, queue.job(id_).tries) == ("running", 0)
        queue.control(id_, "resume", None)
        job = ended(queue, id_)
    assert job.state == "done", job.error
    states = [event.body["state"] for event in events(queue, id_, "state")]
    assert states == ["queued", "running", "queued", "running", "done"]
    assert [event.body["index"] for event in events(queue, id_, "epoch")] == [1, 2, 3]
    assert Run.open(job.result_folder).finished and not (folder.internal / "results" / id_).exists()


def width(path: Path) -> int:
    with Image.open(path) as picture:
        picture.load()
        return picture.width


def claimed_by_the_dead(queue: Queue, id_: str) -> None:
    """Have a process claim a job, and die."""
    code = (
        "import sys; from pathlib import Path; from convscope.lab.queue.table import Queue\n"
        "Queue(Path(sys.argv[1])).claim()"
    )
    subprocess.run([sys.executable, "-c", code, str(queue.database.path)], check=True)
    assert queue.job(id_).state == "running"


def test_what_cannot_go_on_says_that_it_was_interrupted(folder: LabFolder, queue: Queue) -> None:
    plain, begun, given_up = queue.add("dream", {}), queue.add("train", TRAIN), queue.add("dream", {})
    claimed_by_the_dead(queue, plain)
    (job,) = queue.take_abandoned()
    worker.recover(queue, job)
    found = queue.job(plain)
    assert found.state == "interrupted" and found.error is not None and all(found.error.values())
    place = folder.runs / "mine"
    place.mkdir()
    (place / "recipe.toml").write_text("")
    for number in range(1, worker.MAX_TRIES + 1):
        claimed_by_the_dead(queue, begun)
        (job,) = queue.take_abandoned()
        queue.set_result_folder(begun, str(place))
        worker.recover(queue, queue.job(begun))
        expected = "queued" if number < worker.MAX_TRIES else "interrupted"
        assert queue.job(begun).state == expected
    claimed_by_the_dead(queue, given_up)
    queue.cancel(given_up)
    (job,) = queue.take_abandoned()
    worker.recover(queue, job)
    assert queue.job(given_up).state == "cancelled"


def test_a_job_whose_process_dies_while_this_worker_runs_is_seen_to(folder: LabFolder, queue: Queue) -> None:
    lost, closed = queue.add("dream", {}), threading.Event()
    code = (
        "import sys, time; from pathlib import Path; from convscope.lab.queue.table import Queue\n"
        "Queue(Path(sys.argv[1])).claim(); print('claimed', flush=True); time.sleep(600)"
    )
    words = [sys.executable, "-c", code, str(queue.database.path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"claimed\n"
        thread = threading.Thread(target=worker.work, args=(folder.runs, closed))
        thread.start()
        try:
            time.sleep(2 * worker.IDLE_INTERVAL)
            assert queue.job(lost).state == "running"  # its process lives
            other.kill()
            until(lambda: queue.job(lost).state == "interrupted")
        finally:
            closed.set()
            thread.join()


def test_a_cancelled_dream_keeps_its_last_picture(folder: LabFolder, queue: Queue) -> None:
    settings = {"net": "digits", "layer": "conv1", "steps": 10_000, "octaves": 1, "size": 28}
    upload = {"photo": [{"id": drawn_seven(folder), "name": "seven.png"}]}
    id_ = queue.add("dream", settings, uploads=upload)
    with working(folder):
        first = until(lambda: events(queue, id_, "artifact"))
        assert first[0].body["kind"] == "image" and "file" not in first[0].body
        running = queue.job(id_)
        shown = Path(running.folder) / running.artifacts[0]["file"]
        assert running.state == "running" and width(shown) > 20
        queue.cancel(id_)
        job = ended(queue, id_)
    assert job.state == "cancelled", job.error
    assert Path(job.folder) == folder.result(id_)
    assert width(Path(job.folder) / job.artifacts[0]["file"]) > 20
    assert "picture so far" in (job.error or {})["expected"]
    assert not list(folder.result(id_).parent.glob(".convscope-part-*"))


def test_uploads_become_a_folder_of_classes_that_leads_nowhere_else(folder: LabFolder) -> None:
    id_ = drawn_seven(folder)
    names = ["cats/a/1.png", "dogs/1.png", "dogs/1.png", "../../x/../..", "y\\..\\2.png", "", "/etc/passwd"]
    names += ["..\\z\\3.png", "train/cats/1.png"]
    place = folder.inputs("0" * 16) / "data"
    paths = link_uploads([{"id": id_, "name": name} for name in names], folder, place, classes=True)
    found = sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())
    assert sorted(str(Path(path).relative_to(place)) for path in paths) == found and len(found) == 9
    assert {"cats/1.png", "dogs/1.png", "dogs/1-2.png", "y/2.png", "etc/passwd"} <= set(found)
    assert "train/cats/1.png" in found and all(len(Path(name).parts) <= 3 for name in found)
    for wrong in ("8" * 64, "../uploads/" + "7" * 53, ""):
        with pytest.raises(PlaceError):
            link_uploads([{"id": wrong, "name": "x"}], folder, place)
    link = folder.internal / "uploads" / ("9" * 64)
    link.symlink_to(folder.internal / "uploads" / id_)
    with pytest.raises(PlaceError):
        link_uploads([{"id": "9" * 64, "name": "x"}], folder, place)


def test_a_dropped_folder_is_checked_and_a_bad_picture_is_found(folder: LabFolder, queue: Queue) -> None:
    good = drawn_seven(folder)
    bad = folder.internal / "uploads" / ("b" * 64)
    bad.write_bytes(b"no picture")
    files = [{"id": good, "name": f"{name}/{k}.png"} for name in ("cats", "dogs") for k in range(2)]
    files.append({"id": bad.name, "name": "dogs/broken.png"})
    id_ = queue.add("data check", {}, uploads={"folder": files})
    worker.work(folder.runs, threading.Event(), until_idle=True)
    job = queue.job(id_)
    assert job.state == "done" and job.document is not None, job.error
    assert "broken.png" in str(job.document)
    assert bad.read_bytes() == b"no picture"  # nothing of the user's is touched


def test_names_of_runs_lead_only_to_folders_of_runs(folder: LabFolder, tmp_path: Path) -> None:
    (folder.runs / "mine").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (folder.runs / "link").symlink_to(tmp_path / "other")
    assert folder.run("mine") == folder.runs / "mine"
    for wrong in ("", ".", "..", ".lab", "../other", "link", "mine/..", "no", "mine\0", "/etc", "a\\b"):
        with pytest.raises(PlaceError):
            folder.run(wrong)
