"""The queue: what is claimed once, what is told, what survives a process."""

import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from convscope.errors import DataError, PlaceError, UsageError
from convscope.lab.queue.database import TABLES
from convscope.lab.queue.process import alive, start_time, this_process
from convscope.lab.queue.table import LostJobError, Queue

CONTEXT = multiprocessing.get_context("spawn")


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path / ".lab" / "queue.sqlite3")


def kinds(queue: Queue, id_: str) -> list[str]:
    return [event.kind for event in queue.events(id_=id_)]


def claim_all(path: Path, start: float) -> list[str]:
    queue, done = Queue(path), []
    while time.time() < start:
        pass
    while (job := queue.claim()) is not None:
        for number in range(3):
            queue.add_event(job.id, "point", {"number": number})
        queue.end(job.id, "done", document=f'{{"verb": "{job.verb}"}}')
        done.append(job.id)
    return done


@pytest.mark.parametrize("count", [600, pytest.param(2000, marks=pytest.mark.slow)])
def test_four_processes_claim_every_job_once(queue: Queue, count: int) -> None:
    ids = [queue.add("dream", {"number": number}) for number in range(count)]
    before = len(queue.events(limit=10 * count))
    with CONTEXT.Pool(4) as pool:
        start = time.time() + 1.5
        claimed = pool.starmap(claim_all, [(queue.database.path, start)] * 4)
        seconds = time.time() - start
    assert sorted(id_ for part in claimed for id_ in part) == sorted(ids)  # none lost, none doubled
    assert all(len(part) < count for part in claimed)
    events = queue.events(limit=100 * count)
    assert len(events) == before + count * 5  # running, three points, done
    assert [event.seq for event in events] == sorted({event.seq for event in events})
    assert {job.state for job in queue.jobs(limit=count)} == {"done"}
    assert seconds < 60
    print(f"{count} jobs in {seconds:.2f} s")


def test_jobs_are_claimed_in_their_order_and_say_what_they_are(queue: Queue) -> None:
    first = queue.add("dream", {"seed": 3}, uploads={"photo": [{"id": "0", "name": "cat.jpg"}]}, command="c")
    second = queue.add("look", {})
    job = queue.claim()
    assert job is not None and (job.id, job.state, job.settings) == (first, "running", {"seed": 3})
    assert (job.uploads, job.command, job.tries) == ({"photo": [{"id": "0", "name": "cat.jpg"}]}, "c", 1)
    assert [job.id for job in queue.jobs()] == [second, first]
    assert [job.id for job in queue.jobs("queued")] == [second]
    queue.end(first, "done", document='{"out": "x"}')
    assert queue.job(first).document == {"out": "x"} and queue.job(first).fraction == 1
    (listed,) = queue.jobs("done")
    assert listed == replace(queue.job(first), document=None) and queue.state(first) == "done"
    with pytest.raises(PlaceError):
        queue.state("0" * 16)


def test_progress_replaces_and_other_events_stay(queue: Queue) -> None:
    id_ = queue.add("dream", {})
    queue.claim()
    for number in range(5):
        queue.set_progress(id_, number / 10, f"step {number}", 3.0)
        queue.add_event(id_, "log", {"text": str(number)})
    assert kinds(queue, id_) == ["state", "state", *["log"] * 4, "progress", "log"]
    progress = next(event for event in queue.events(id_=id_) if event.kind == "progress")
    assert progress.body == {"fraction": 0.4, "message": "step 4", "seconds_left": 3.0}
    job = queue.job(id_)
    assert (job.fraction, job.message, job.seconds_left) == (0.4, "step 4", 3.0)
    assert [event.seq for event in queue.events(progress.seq, id_)] == [progress.seq + 1]


def test_numbers_of_events_are_never_used_again(queue: Queue) -> None:
    id_ = queue.add("dream", {})
    queue.claim()
    last = queue.add_event(id_, "log", {})
    assert queue.add_event(id_, "log", {}, replaces=True) > last


def test_what_waits_is_cancelled_at_once_and_what_runs_is_told(queue: Queue) -> None:
    running, waiting = queue.add("dream", {}), queue.add("dream", {})
    queue.claim()
    assert queue.heartbeat(running) is False
    assert queue.cancel(waiting) == "cancelled" and queue.job(waiting).ended is not None
    assert queue.cancel(running) == "running" and queue.heartbeat(running) is True
    assert queue.cancel(running) == "running"  # a second time changes nothing
    assert kinds(queue, running) == ["state", "state", "state"]
    queue.end(running, "cancelled")
    assert queue.cancel(running) == "cancelled" and queue.claim() is None


def test_requests_are_taken_once_and_in_order(queue: Queue) -> None:
    id_ = queue.add("train", {})
    queue.claim()
    assert queue.take_controls(id_) == []
    for value in ("conv1", ["conv2:7", "fc"]):
        queue.control(id_, "freeze", value)
    queue.control(id_, "lr", 0.01)
    found = [(request.action, request.value) for request in queue.take_controls(id_)]
    assert found == [("freeze", "conv1"), ("freeze", ["conv2:7", "fc"]), ("lr", 0.01)]
    assert queue.take_controls(id_) == []
    queue.end(id_, "done")
    with pytest.raises(UsageError, match="one that is done"):
        queue.control(id_, "pause", None)


def test_only_what_has_ended_is_removed(queue: Queue) -> None:
    done, running, waiting = (queue.add("dream", {}) for _ in range(3))
    queue.claim()
    queue.end(done, "failed", error={"expected": "a", "received": "b", "hint": "c"})
    queue.claim()
    for id_ in (running, waiting):
        with pytest.raises(UsageError, match="has ended"):
            queue.remove(id_)
    assert [job.id for job in queue.clear()] == [done]
    assert queue.events(id_=done) == []
    with pytest.raises(PlaceError):
        queue.job(done)
    assert {job.id for job in queue.jobs()} == {running, waiting}


def test_a_job_that_was_taken_over_is_lost_to_the_first_process(queue: Queue) -> None:
    id_ = queue.add("dream", {})
    queue.claim()
    other = Queue(queue.database.path)
    other._process = (os.getpid(), "another start")
    for act in (
        lambda: other.heartbeat(id_),
        lambda: other.set_progress(id_, 0.5, "", None),
        lambda: other.end(id_, "done"),
        lambda: other.requeue(id_, ""),
    ):
        with pytest.raises(LostJobError):
            act()
    assert queue.job(id_).state == "running" and queue.job(id_).fraction == 0


def test_a_killed_process_is_noticed_although_its_number_may_come_back(queue: Queue) -> None:
    id_ = queue.add("train", {})
    code = (
        "import sys, time; from pathlib import Path; from convscope.lab.queue.table import Queue\n"
        "Queue(Path(sys.argv[1])).claim(); print('claimed', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(queue.database.path)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None and child.stdout.readline() == "claimed\n"
        assert queue.take_abandoned() == []
        job = queue.job(id_)
        assert job.pid == child.pid and alive(job.pid, job.process_start, 1e9)
        assert not alive(job.pid, job.process_start + "0", 0)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert start_time(child.pid) == ""
    assert [job.id for job in queue.take_abandoned()] == [id_]
    assert queue.job(id_).pid == this_process()[0] and queue.take_abandoned() == []
    queue.requeue(id_, "goes on")
    again = queue.claim()
    assert again is not None and (again.id, again.tries) == (id_, 2)


def test_without_start_times_the_heartbeat_decides() -> None:
    assert alive(os.getpid(), "", 1.0) and not alive(os.getpid(), "", 1000.0)


def test_a_file_that_is_no_list_of_jobs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database, and long enough to be looked at " * 20)
    with sqlite3.connect(tmp_path / "newer") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    for name, message in (("text", "not a database"), ("newer", "version 99")):
        with pytest.raises(DataError, match=message):
            Queue(tmp_path / name)


def test_a_list_of_the_first_version_is_gone_on_with(tmp_path: Path) -> None:
    artifacts = [{"file": "a.png", "kind": "picture", "title": "a", "bytes": 1, "version": 1}]
    document = {"training": {"curve": [{"at": 1.0}]}, "out": "runs/a"}
    with sqlite3.connect(tmp_path / "queue.sqlite3") as db:
        db.executescript(TABLES.replace("seconds_left", "remaining").replace("result_folder", "place"))
        db.execute(
            "INSERT INTO job (id, verb, settings, uploads, command, created, place, artifacts, document) "
            "VALUES ('0', 'train', '{}', '{}', '', 1, 'runs/a', ?, ?)",
            (json.dumps(artifacts), json.dumps(document)),
        )
        db.execute("INSERT INTO event (job, kind, body) VALUES ('0', 'progress', '{\"left\": 3}')")
        db.execute("INSERT INTO event (job, kind, body) VALUES ('0', 'log', '{\"text\": \"a\"}')")
        db.execute("PRAGMA user_version = 1")
    db.close()
    for queue in (Queue(tmp_path / "queue.sqlite3"), Queue(tmp_path / "queue.sqlite3")):
        job = queue.job("0")
        assert (job.result_folder, job.seconds_left, job.document) == ("runs/a", None, {"out": "runs/a"})
        assert job.artifacts == [{**artifacts[0], "kind": "image"}] and kinds(queue, "0") == ["log"]
