"""`convscope lab` as a process: its first page, its end, what it leaves behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.lab.processes import gone


@contextmanager
def lab(folder: Path, *words: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command in a folder; yield the process and the link that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "convscope", "lab", "--no-browser", "--port", "0", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        link = ""
        while not link:
            line = process.stderr.readline() if process.stderr else ""
            assert line, process.communicate()
            link = next(iter(re.findall(r"http://\S+token=\S+", line)), "")
        yield process, link
    finally:
        process.kill()
        process.communicate()


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in found for child in file.read_text().split()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_everything_with_a_document(tmp_path: Path, number: signal.Signals) -> None:
    with lab(tmp_path, "--json") as (process, link):
        opened = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        assert b"<html" in opened.open(link, timeout=30).read()
        workers = children(process.pid)
        assert len(workers) == 2
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        document = json.loads(out)
        assert document["verb"] == "lab" and document["seconds"] > 0
        assert "Traceback" not in err
        assert all(map(gone, workers))
        port = int(link.split(":")[2].split("/")[0])
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            pass
    assert document["url"] == link.partition("?")[0]


@pytest.mark.slow
def test_workers_end_when_the_server_is_killed(tmp_path: Path) -> None:
    with lab(tmp_path) as (process, _link):
        workers = children(process.pid)
        process.kill()
        process.communicate()
        assert workers and all(gone(pid, 40) for pid in workers)


@pytest.mark.slow
def test_a_browser_stays_in_over_a_restart_and_programs_keep_their_token(tmp_path: Path) -> None:
    token = "a-token-of-forty-characters-for-this-test"
    port = _free_port()
    words = ["--port", str(port)]
    held = ""
    for start in range(2):
        with lab(tmp_path, *words, CONVSCOPE_TOKEN=token) as (process, link):
            if start == 0:
                held = _cookie(link)
            for headers in ({"Cookie": held}, {"Authorization": f"Bearer {token}"}):
                asked = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/status", headers=headers)
                assert json.load(urllib.request.urlopen(asked, timeout=30))["version"]
            process.send_signal(signal.SIGINT)
            _out, err = process.communicate(timeout=60)
            assert token not in err
    assert (tmp_path / "runs" / ".lab").stat().st_mode & 0o077 == 0


def test_a_port_that_is_taken_is_named(tmp_path: Path, convscope_words) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = convscope_words("lab", "--no-browser", "--port", str(port), "--json")
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert str(port) in error["received"] and "--port 0" in error["hint"]


def test_a_token_that_is_too_short_is_refused(convscope_words) -> None:
    done = convscope_words("lab", "--no-browser", "--port", "0", "--json", CONVSCOPE_TOKEN="short")
    assert done.returncode == 2
    assert "CONVSCOPE_TOKEN" in json.loads(done.stdout)["error"]["expected"]


def test_the_web_process_never_imports_torch(tmp_path: Path) -> None:
    code = """
import json, sys, urllib.request
from convscope.lab.recipe import LabRecipe
from convscope.lab.web.server import Server

with Server(LabRecipe(folder="runs", port=0, browser=False), {}) as server:
    def get(path, body=None):
        headers = {"Authorization": "Bearer " + server.session.token, "Content-Type": "application/json"}
        asked = urllib.request.Request(server.url + path, body and json.dumps(body).encode(), headers)
        return urllib.request.urlopen(asked, timeout=30).read()

    get("api/v1/status"), get("docs"), get("api/v1/openapi.json"), get("build")
    verbs = [entry["verb"] for entry in json.loads(get("api/v1/verbs"))]
    assert len(verbs) > 15
    for verb in verbs:
        assert json.loads(get("api/v1/verbs/" + verb.replace(" ", "%20")))["fields"], verb
    get("api/v1/graph", {"text": "conv 8 3x3, relu, flatten, dense 10", "input": "1x28x28"})
    get("api/v1/jobs", {"verb": "describe", "settings": {"net": "lecture"}})
    get("api/v1/jobs")
heavy = [name for name in ("torch", "numpy", "timm") if name in sys.modules]
assert heavy == [], heavy
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture
def convscope_words(tmp_path: Path):
    def call(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "convscope", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, **environment},
            check=False,
        )

    return call


def _cookie(link: str) -> str:
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_args: object) -> None:
            return None

    try:
        urllib.request.build_opener(Stay).open(link, timeout=30)
    except urllib.error.HTTPError as found:
        with found:
            return found.headers["Set-Cookie"].partition(";")[0]
    raise AssertionError("no redirection")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@pytest.mark.slow
def test_the_first_page_does_not_wait_for_torch(tmp_path: Path) -> None:
    """A page comes while the live worker still imports torch, which takes it seconds."""
    started = time.monotonic()
    with lab(tmp_path) as (_process, link):
        opened = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        opened.open(link, timeout=30).read()
        status = json.load(opened.open(link.partition("?")[0] + "api/v1/status", timeout=30))
        print(f"first page after {time.monotonic() - started:.2f} s")
        assert status["workers"]["live"] == "starting"
        assert not status["torch_ready"]
