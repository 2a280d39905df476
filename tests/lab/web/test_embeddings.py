"""Routes of the atlas: places, thumbnails, activations and single inputs, and what they refuse."""

import io
import json
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from PIL import Image
from safetensors.numpy import load

from convscope import nets, worlds
from convscope.errors import ConvscopeError, PlaceError
from convscope.lab.recipe import LabRecipe
from convscope.lab.web.routes import embeddings, jobs
from convscope.lab.web.state import LabState
from convscope.lab.workers.jobs import work
from convscope.lab.workers.live import LiveOperations
from convscope.lab.workers.supervisor import Answer
from convscope.worlds.datasets import digits

SETTINGS = {"net": "digits", "layer": "relu3", "data": "digits", "images": 60, "layout": "pca"}


class LiveWorker:
    """The live worker's operations, in this process."""

    def __init__(self, folder: Path) -> None:
        self.live = LiveOperations(folder)

    async def ask(self, op: str, data: bytes = b"", /, **args: Any) -> Answer:
        found = self.live.operations[op](**args)
        result, answer = found if isinstance(found, tuple) else (found, b"")
        return Answer(json.loads(json.dumps(result)), answer)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("lab") / "runs"
    app = FastAPI()
    state = LabState(LabRecipe.parse({"folder": str(folder)}), 0)
    state.workers["live"] = LiveWorker(folder)  # pyright: ignore[reportArgumentType]
    app.state.lab = state
    for router in (jobs.router, embeddings.router):
        app.include_router(router, prefix="/api/v1")

    @app.exception_handler(ConvscopeError)
    def error_response(_request, error: ConvscopeError) -> JSONResponse:
        status = 404 if isinstance(error, PlaceError) else 400
        return JSONResponse({"expected": error.expected, "received": error.received}, status)

    with TestClient(app) as made:
        yield made


def begin(client: TestClient, verb: str, settings: dict[str, Any], **uploads: Any) -> str:
    answer = client.post("/api/v1/jobs", json={"verb": verb, "settings": settings, "uploads": uploads})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def run_all(client: TestClient) -> None:
    work(client.app.state.lab.runs, threading.Event(), until_idle=True)


@pytest.fixture(scope="module")
def job(client: TestClient) -> dict[str, Any]:
    number = begin(client, "embed", SETTINGS)
    early = client.get(f"/api/v1/jobs/{number}/embedding/points")
    assert early.status_code == 404 and early.json()["expected"] == "a job that has embedded inputs"
    run_all(client)
    found = client.get(f"/api/v1/jobs/{number}").json()
    assert found["state"] == "done", found["error"]
    return found


def url(job: dict[str, Any], path: str) -> str:
    return f"/api/v1/jobs/{job['id']}/embedding/{path}"


def test_places_and_predictions_are_those_of_the_network(client: TestClient, job: dict[str, Any]) -> None:
    found = load(client.get(url(job, "points")).content)
    document, net, data = job["document"], nets.load("digits"), worlds.open_all("digits", spec=digits.SPEC)
    assert document["inputs"] == 60 == len(found["images"]) and document["layouts"] == ["pca"]
    assert [part["count"] for part in document["parts"]] == [8000, 2000]
    logits = net(data.inputs(found["images"].tolist(), net.input_spec)).detach()
    assert found["predictions"].tolist() == logits.argmax(1).tolist()
    assert found["labels"].tolist() == data.labels[found["images"].tolist()].tolist()
    rows, columns = document["grid"]
    assert rows * columns >= 60 and (found["cells"] < [rows, columns]).all()
    counts = [entry["count"] for entry in document["classes"]]
    assert counts == np.bincount(found["labels"], minlength=10).tolist()
    right = sum(entry["right"] for entry in document["classes"])
    assert right == int((found["predictions"] == found["labels"]).sum())


def test_thumbnails_are_the_pixels_of_the_inputs_and_are_kept(
    client: TestClient, job: dict[str, Any]
) -> None:
    found = load(client.get(url(job, "points")).content)
    about = job["document"]["thumbnails"]
    level = about["levels"][0]
    assert about["ink"] and level == {"side": 28, "columns": 32, "sheets": 1}
    answer = client.get(url(job, "thumbnails/28/0"))
    assert answer.headers["content-type"] == "image/png" and "immutable" in answer.headers["cache-control"]
    sheet = np.asarray(Image.open(io.BytesIO(answer.content)))
    pixels = worlds.open_all("digits", spec=digits.SPEC).inputs(found["images"].tolist())
    for number, tile in enumerate(found["tiles"].tolist()):
        row, column = divmod(tile, 32)
        drawn = sheet[28 * row : 28 * (row + 1), 28 * column : 28 * (column + 1)]
        assert np.abs(drawn - 255 * pixels[number, 0].numpy()).max() <= 1
    assert client.get(url(job, "thumbnails/7/0")).status_code == 200


def test_activations_of_a_unit_in_the_order_of_the_inputs(client: TestClient, job: dict[str, Any]) -> None:
    found = load(client.get(url(job, "points")).content)
    net, data = nets.load("digits"), worlds.open_all("digits", spec=digits.SPEC)
    inputs = data.inputs(found["images"].tolist(), net.input_spec)
    (recorded,) = nets.record(net, inputs, ["relu3"]).values()
    for unit in (0, 49, 99):
        values = np.frombuffer(client.get(url(job, f"units/{unit}")).content, "<f4")
        assert np.allclose(values, recorded[:, unit].detach().numpy(), atol=1e-5)
    assert client.get(url(job, "units/100")).json()["expected"] == "the number of a unit"


def test_an_input_is_shown_and_becomes_an_upload_that_is_read_as_the_same_input(
    client: TestClient, job: dict[str, Any]
) -> None:
    data = worlds.open_all("digits", spec=digits.SPEC)
    for index in (0, 9999):
        wanted = data.inputs([index])[0]
        shown = Image.open(io.BytesIO(client.get(url(job, f"inputs/{index}.png")).content))
        assert np.abs(np.asarray(shown.getchannel("A")) / 255 - wanted[0].numpy()).max() < 0.01
        upload = client.post(url(job, f"inputs/{index}"))
        assert upload.status_code == 201 and upload.json()["name"] == f"input-{index}.png"
        path = client.app.state.lab.folder.upload(upload.json()["id"])
        opened = worlds.open_sample(path, nets.load("digits").input_spec).input
        assert float((opened - wanted).abs().max()) < 0.003


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "inputs/10000.png", 404),
        ("POST", "inputs/10000", 404),
        ("GET", "inputs/3.wav", 400),
        ("GET", "inputs/3.exe", 422),
        ("GET", "inputs/-1.png", 422),
        ("GET", "thumbnails/28/1", 404),
        ("GET", "thumbnails/9/0", 404),
        ("GET", "thumbnails/28/-1", 422),
        ("GET", "thumbnails/28/0.png", 422),
        ("GET", "thumbnails/..%2f..%2f/0", 404),
        ("GET", "units/a", 422),
    ],
)
def test_what_is_not_there_is_refused(
    client: TestClient, job: dict[str, Any], method: str, path: str, status: int
) -> None:
    answer = client.request(method, url(job, path))
    assert answer.status_code == status, answer.text


def test_other_jobs_and_no_jobs_have_no_embedding(client: TestClient, job: dict[str, Any]) -> None:
    other = begin(client, "nets", {})
    run_all(client)
    for number in (other, "0" * 16, "..%2f..%2fetc"):
        for path in ("points", "thumbnails/28/0", "units/0", "inputs/0.png"):
            answer = client.get(f"/api/v1/jobs/{number}/embedding/{path}")
            assert answer.status_code == 404, (number, path, answer.text)


def test_a_sheet_that_is_a_link_to_elsewhere_is_not_served(
    client: TestClient, job: dict[str, Any], tmp_path: Path
) -> None:
    queued = client.app.state.lab.queue.job(job["id"])
    (tmp_path / "secret.png").write_bytes(b"secret")
    link = Path(queued.folder) / "thumbnails" / "28-7.png"
    link.symlink_to(tmp_path / "secret.png")
    assert client.get(url(job, "thumbnails/28/7")).status_code == 404


def test_a_folder_that_was_handed_over_is_embedded_and_opened_again(client: TestClient) -> None:
    """Sixteen pictures of two classes, with a network that knows neither."""
    files = []
    folder = client.app.state.lab.folder
    (folder.internal / "uploads").mkdir(parents=True, exist_ok=True)
    for number in range(16):
        made = io.BytesIO()
        shade = np.random.default_rng(number).integers(0, 20, (28, 28), dtype=np.uint8)
        shade[4:24, 4 + number : 8 + number] = 255
        Image.fromarray(shade).save(made, "PNG")
        id_ = sha256(made.getvalue()).hexdigest()
        (folder.internal / "uploads" / id_).write_bytes(made.getvalue())
        files.append({"id": id_, "name": f"{'ab'[number % 2]}/{number}.png"})
    number = begin(
        client, "embed", {"net": "lecture-relu", "layer": "relu1", "layout": "pca", "seed": 0}, data=files
    )
    run_all(client)
    job = client.get(f"/api/v1/jobs/{number}").json()
    assert job["state"] == "done", job["error"]
    document = job["document"]
    assert [(c["name"], c["count"], c["right"]) for c in document["classes"]] == [
        ("a", 8, None),
        ("b", 8, None),
    ]
    assert str(folder.internal) in document["recipe"]["data"]
    assert client.get(url(job, "inputs/15.png")).status_code == 200
    assert client.post(url(job, "inputs/0")).status_code == 201
