"""Routes of jobs, with a worker in this process: from the request to the file that a browser gets."""

import io
import json
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from PIL import Image, ImageDraw

from convscope.errors import ConvscopeError, PlaceError
from convscope.lab.recipe import LabRecipe
from convscope.lab.web.routes import jobs as routes
from convscope.lab.web.state import LabState
from convscope.lab.workers.jobs import work
from convscope.show.images import png

JSON = {"Content-Type": "application/json"}
TINY = {"net": "digits", "places": ["conv1:3"], "steps": 4, "size": 28}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    app = FastAPI()
    app.state.lab = LabState(LabRecipe.parse({"folder": str(tmp_path / "runs")}), 0)
    app.include_router(routes.router, prefix="/api/v1")

    @app.exception_handler(ConvscopeError)
    def error_response(_request, error: ConvscopeError) -> JSONResponse:
        status = 404 if isinstance(error, PlaceError) else 400
        return JSONResponse({"expected": error.expected, "received": error.received}, status)

    with TestClient(app) as made:
        yield made


def run_all(client: TestClient) -> None:
    work(client.app.state.lab.runs, threading.Event(), until_idle=True)


def begin(client: TestClient, verb: str, settings: dict, **uploads: list) -> str:
    answer = client.post("/api/v1/jobs", json={"verb": verb, "settings": settings, "uploads": uploads})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def upload(client: TestClient, content: bytes) -> str:
    folder = client.app.state.lab.runs / ".lab" / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    name = sha256(content).hexdigest()
    (folder / name).write_bytes(content)
    return name


def drawn_seven() -> bytes:
    made = io.BytesIO()
    drawn = Image.new("RGB", (60, 60), "white")
    ImageDraw.Draw(drawn).line([(15, 12), (44, 12), (28, 50)], fill="black", width=6)
    drawn.save(made, "PNG")
    return made.getvalue()


def test_a_picture_from_the_request_to_the_browser(client: TestClient) -> None:
    id_ = begin(client, "visualize", TINY)
    waiting = client.get(f"/api/v1/jobs/{id_}").json()
    assert (waiting["state"], waiting["fraction"], waiting["document"]) == ("queued", 0, None)
    assert waiting["command"] == "convscope visualize digits conv1:3 --steps 4 --size 28"
    run_all(client)
    done = client.get(f"/api/v1/jobs/{id_}").json()
    assert (done["state"], done["fraction"], done["error"]) == ("done", 1, None), done
    assert done["started"] <= done["ended"] and done["document"]["recipe"]["steps"] == 4
    kinds = [entry["kind"] for entry in done["artifacts"]]
    assert "image" in kinds and not any("file" in entry for entry in done["artifacts"])
    for entry in done["artifacts"]:
        got = client.get(f"/api/v1/jobs/{id_}/artifacts/{entry['index']}")
        if entry["kind"] == "image":
            image = Image.open(io.BytesIO(got.content))
            assert got.headers["content-type"] == "image/png" and image.width > 20
            assert json.loads(image.info[png.KEY])["verb"] == "visualize"  # its recipe travels along
            small = client.get(f"/api/v1/jobs/{id_}/artifacts/{entry['index']}?size=16")
            assert max(Image.open(io.BytesIO(small.content)).size) == 16
        if entry["kind"] == "page":
            assert got.headers["content-security-policy"].startswith(
                "sandbox allow-scripts; default-src 'none'"
            )
    assert client.get(f"/api/v1/jobs/{id_}/artifacts/99").status_code == 404


def test_events_are_replayed_from_where_a_client_was(client: TestClient) -> None:
    id_ = begin(client, "visualize", TINY)
    run_all(client)
    text = client.get(f"/api/v1/jobs/{id_}/events").text
    blocks = [dict(line.split(": ", 1) for line in b.splitlines()) for b in text.strip().split("\n\n")]
    states = [json.loads(b["data"])["state"] for b in blocks if b["event"] == "state"]
    assert states == ["queued", "running", "done"]
    assert any(b["event"] == "artifact" for b in blocks)
    numbers = [int(b["id"]) for b in blocks]
    assert numbers == sorted(numbers)
    middle = str(numbers[len(numbers) // 2])
    again = client.get(f"/api/v1/jobs/{id_}/events", headers={"Last-Event-ID": middle}).text
    assert again == text[text.index(f"id: {middle}") :].partition("\n\n")[2]
    assert client.get(f"/api/v1/jobs/{id_}/events?after={numbers[-1]}").text == ""


def test_an_upload_keeps_the_name_that_the_user_gave_it(client: TestClient) -> None:
    id_ = upload(client, drawn_seven())
    job = begin(client, "look", {"net": "digits"}, image=[{"id": id_, "name": "../../my cat.png"}])
    run_all(client)
    done = client.get(f"/api/v1/jobs/{job}").json()
    assert done["state"] == "done", done["error"]
    assert done["document"]["recipe"]["image"].endswith(f"/inputs/{job}/image/my cat.png")


@pytest.mark.parametrize(
    ("verb", "settings"),
    [
        ("look", {"image": "/etc/passwd"}),
        ("look", {"image": "../photo.jpg"}),
        ("look", {"image": "C:\\photo.jpg"}),
        ("look", {"image": "https://example.org/cat.jpg"}),
        ("visualize", {**TINY, "weights": "~/weights.safetensors"}),
        ("visualize", {**TINY, "start": "file:///etc/passwd"}),
        ("classify", {"net": "torchvision/resnet18", "weights": "default", "images": ["a"]}),
        ("train", {"network": "digits", "data": "mnist", "root": "x", "download": True}),
        ("train", {"network": "digits", "data": "digits", "track": ["wandb"]}),
        ("train", {"network": "digits", "data": "./pictures"}),
        ("train", {"network": "digits", "data": "digits", "resume": "runs/mine"}),
        ("visualize", {**TINY, "net": ".hidden"}),
        ("style", {"content": ["a", "/etc/passwd"]}),
        ("train", {"network": "digits", "data": {"a": "/etc/passwd"}}),
        ("lab", {}),
        ("gtp", {}),
        ("runs prune", {}),
        ("no such verb", {}),
        ("visualize", {**TINY, "steps": -1}),
        ("visualize", {**TINY, "nonsense": 1}),
    ],
)
def test_paths_addresses_and_wrong_settings_never_become_a_job(
    client: TestClient, verb: str, settings: dict
) -> None:
    answer = client.post("/api/v1/jobs", json={"verb": verb, "settings": settings})
    assert answer.status_code == 400 and answer.json()["expected"]
    assert client.get("/api/v1/jobs").json() == []


def test_uploads_are_ids_of_what_was_uploaded(client: TestClient) -> None:
    for id_, status in (("0" * 64, 404), ("../../secret", 404), ("A" * 64, 404)):
        body = {"verb": "look", "settings": {"net": "digits"}, "uploads": {"image": [id_]}}
        assert client.post("/api/v1/jobs", json=body).status_code == status, id_
    good = upload(client, drawn_seven())
    body = {"verb": "look", "settings": {"net": "digits"}, "uploads": {"nonsense": [good]}}
    assert client.post("/api/v1/jobs", json=body).status_code == 400


def test_errors_say_what_was_expected_and_what_to_do(client: TestClient) -> None:
    id_ = begin(client, "visualize", {**TINY, "places": ["conv9:3"]})
    fake = upload(client, b"no picture at all")
    other = begin(client, "look", {"net": "digits"}, image=[fake])
    run_all(client)
    for job in (id_, other):
        failed = client.get(f"/api/v1/jobs/{job}").json()
        assert failed["state"] == "failed" and all(failed["error"].values()), failed
    assert "conv9" in client.get(f"/api/v1/jobs/{id_}").json()["error"]["received"]


def test_jobs_are_listed_cancelled_removed_and_cleared(client: TestClient) -> None:
    first, second = (
        begin(client, "describe", {"net": "digits"}),
        begin(client, "describe", {"net": "digits"}),
    )
    assert client.post(f"/api/v1/jobs/{first}/cancel").json() == {"state": "cancelled"}
    assert client.delete(f"/api/v1/jobs/{second}").status_code == 400
    run_all(client)
    listed = client.get("/api/v1/jobs").json()
    assert [(job["id"], job["state"]) for job in listed] == [(second, "done"), (first, "cancelled")]
    assert [job["id"] for job in client.get("/api/v1/jobs?state=done").json()] == [second]
    assert client.get("/api/v1/jobs?state=nonsense").status_code == 422
    results = client.app.state.lab.runs / ".lab" / "results"
    assert (results / second).exists()
    assert client.delete(f"/api/v1/jobs/{second}").status_code == 200
    assert not (results / second).exists()
    assert client.post("/api/v1/jobs/clear").json() == {"removed": 1}
    assert client.get("/api/v1/jobs").json() == []
    for request in (client.get, client.delete):
        assert request(f"/api/v1/jobs/{first}").status_code == 404
    assert client.get(f"/api/v1/jobs/{first}/events").status_code == 404


def test_what_cannot_be_asked_of_a_job_is_refused_at_once(client: TestClient) -> None:
    dream = begin(client, "visualize", TINY)
    train = begin(client, "train", {"network": "digits", "data": "digits"})
    for id_, body, status in (
        (dream, {"action": "pause"}, 400),
        (train, {"action": "lr", "value": "fast"}, 400),
        (train, {"action": "freeze"}, 400),
        (train, {"action": "explode"}, 422),
        (train, '{"action": "lr", "value": 1e999}', 400),
        (train, '{"action": "pause", "value": NaN}', 400),
        ("0" * 16, {"action": "pause"}, 404),
        (train, {"action": "freeze", "value": ["conv1:2", "fc"]}, 202),
        (train, {"action": "lr", "value": 0.01}, 202),
        (train, {"action": "pause"}, 202),
    ):
        content = body if isinstance(body, str) else json.dumps(body)
        answer = client.post(f"/api/v1/jobs/{id_}/control", content=content, headers=JSON)
        assert answer.status_code == status, body
    asked = [(one.action, one.value) for one in client.app.state.lab.queue.take_controls(train)]
    assert asked == [("freeze", ["conv1:2", "fc"]), ("lr", 0.01), ("pause", None)]
    client.post(f"/api/v1/jobs/{train}/cancel")
    assert client.post(f"/api/v1/jobs/{train}/control", json={"action": "pause"}).status_code == 400


def test_the_web_side_needs_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from convscope.lab.web.routes import jobs\n"
        "from convscope.lab.folder import LabFolder; from convscope.lab.web.jobs import check_request\n"
        "from pathlib import Path; folder = LabFolder(Path('runs'))\n"
        "print(check_request('train', {'network': 'digits', 'data': 'digits'}, {}, folder))\n"
        "print(check_request('dream', {}, {'photo': [{'id': 'x', 'name': 'cat.jpg'}]}, folder))\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "convscope train digits digits\nconvscope dream cat.jpg\n"
