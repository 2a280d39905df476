"""Worker processes answer, are started again when they die, and leave nothing behind."""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.lab.processes import gone

from convscope.errors import ConvscopeError
from convscope.lab.workers import channel
from convscope.lab.workers.supervisor import RemoteError, Worker, WorkerGone

ECHO = """
import os, subprocess, sys, time
from convscope.errors import PlaceError

def run(channel, settings):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])

    def echo(data=b"", **args):
        return {"args": args, "settings": settings, "pid": os.getpid(), "child": child.pid}, data[::-1]

    def wrong():
        raise PlaceError("a place", received="nothing", hint="Go on.")

    def fault():
        raise ZeroDivisionError("1/0")

    def wait(seconds):
        time.sleep(seconds)
        return {}

    def tell():
        print("what a library prints")
        return {}

    def leave():
        os._exit(3)

    operations = dict(echo=echo, wrong=wrong, fault=fault, wait=wait, tell=tell, leave=leave)
    channel.ready(device="none")
    for request in channel.requests():
        channel.answer(request, operations)
"""


@pytest.fixture
def with_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run a test with a worker of the module `ECHO`."""
    (tmp_path / "echo_worker.py").write_text(ECHO)
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))

    def call(test: Callable[[Worker], Awaitable[None]]) -> None:
        async def main() -> None:
            worker = Worker("echo", "echo_worker", {"folder": "runs"})
            await worker.start()
            try:
                await asyncio.wait_for(test(worker), 60)
            finally:
                await worker.stop()
            assert worker.pid is None and worker.state == "stopped"

        asyncio.run(main())

    return call


def test_it_answers_with_values_and_bytes_in_order(with_worker) -> None:
    async def test(worker: Worker) -> None:
        questions = [worker.ask("echo", bytes([i, 7]), number=i, text="\u2028 é") for i in range(50)]
        for i, answer in enumerate(await asyncio.gather(*questions)):
            assert answer.result["args"] == {"number": i, "text": "\u2028 é"}
            assert answer.data == bytes([7, i])
            assert answer.result["settings"] == {"folder": "runs"}
        assert (worker.state, worker.facts) == ("ready", {"device": "none"})
        large = os.urandom(3_000_000)
        assert (await worker.ask("echo", large)).data == large[::-1]

    with_worker(test)


def test_errors_come_back_as_they_were_and_faults_are_told(with_worker, capfd) -> None:
    async def test(worker: Worker) -> None:
        with pytest.raises(RemoteError) as found:
            await worker.ask("wrong")
        error = found.value
        assert (error.expected, error.received, error.hint) == ("a place", "nothing", "Go on.")
        assert (error.exit_code, error.kind) == (2, "PlaceError")
        with pytest.raises(ConvscopeError, match="fault of convscope"):
            await worker.ask("fault")
        with pytest.raises(ConvscopeError, match="fault"):
            await worker.ask("no such operation")
        assert (await worker.ask("echo", n=1)).result["args"] == {"n": 1}

    with_worker(test)
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_what_it_prints_does_not_disturb_the_channel(with_worker, capfd) -> None:
    async def test(worker: Worker) -> None:
        await worker.ask("tell")
        assert (await worker.ask("echo", b"ab")).data == b"ba"

    with_worker(test)
    assert "what a library prints" in capfd.readouterr().err


@pytest.mark.parametrize("how", ["kill", "exit"])
def test_it_is_started_again_when_it_dies_and_questions_are_refused_not_lost(with_worker, how: str) -> None:
    async def test(worker: Worker) -> None:
        first = (await worker.ask("echo")).result
        asked = asyncio.create_task(worker.ask("wait" if how == "kill" else "leave", **_args(how)))
        await asyncio.sleep(0.1)
        if how == "kill":
            os.kill(first["pid"], signal.SIGKILL)
        with pytest.raises(WorkerGone, match="started again"):
            await asked
        second = (await worker.ask("echo")).result
        assert second["pid"] != first["pid"] and worker.starts == 2
        assert gone(first["pid"]) and gone(first["child"]), "what it had started goes with it"

    with_worker(test)


def _args(how: str) -> dict[str, float]:
    return {"seconds": 60.0} if how == "kill" else {}


def test_it_ends_with_what_it_has_started(with_worker) -> None:
    pids: list[int] = []

    async def test(worker: Worker) -> None:
        found = (await worker.ask("echo")).result
        pids.extend([found["pid"], found["child"]])

    with_worker(test)
    assert all(map(gone, pids))


def test_a_question_after_the_end_is_refused(with_worker) -> None:
    async def main() -> None:
        worker = Worker("echo", "echo_worker", {})
        await worker.start()
        await worker.ask("echo")
        await worker.stop()
        with pytest.raises(WorkerGone, match="convscope lab"):
            await asyncio.wait_for(worker.ask("echo"), 5)

    asyncio.run(main())


def test_names_that_are_no_unicode_do_not_break_the_channel() -> None:
    length, size = channel.LENGTHS.unpack(channel.pack({"name": "run-\udcff"})[: channel.LENGTHS.size])
    assert (json.loads(channel.pack({"name": "run-\udcff"})[channel.LENGTHS.size :])["name"], size) == (
        "run-?",
        0,
    )
    assert length > 0
