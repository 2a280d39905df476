"""Corrections of a folder that was handed over: reversible, trained on, and the same in the user's folder."""

import io
import subprocess
import sys
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image
from tests.lab.answers import checked

from convscope.lab.folder import LabFolder
from convscope.lab.recipe import LabRecipe
from convscope.lab.uploaded_sets import UploadedSets
from convscope.lab.web import failures
from convscope.lab.web.app import typed_answers
from convscope.lab.web.routes import datasets, jobs
from convscope.lab.web.state import LabState
from convscope.lab.workers.jobs import work

CHAIN = "conv 4 3x3, relu, flatten, dense 2"
API = "/api/v1/uploaded-sets"


@pytest.fixture
def client(tmp_path: Path, answer_faults: list[str]) -> Iterator[TestClient]:
    app = FastAPI()
    app.state.lab = LabState(LabRecipe(folder=str(tmp_path / "runs")), 0)
    app.state.answers = typed_answers()
    failures.install(app)
    app.include_router(datasets.router, prefix="/api/v1")
    app.include_router(jobs.router, prefix="/api/v1")
    with TestClient(checked(app, answer_faults)) as made:
        yield made


def lab_of(client: TestClient) -> LabFolder:
    return client.app.state.lab.folder


def picture(shade: int, k: int) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (16, 16), (shade, shade + k, 255 - shade)).save(made, "PNG")
    return made.getvalue()


SHADES = {"dark": 20, "light": 200}


def contents() -> dict[str, bytes]:
    """Ten pictures of each class, of which light/0.png is dark and dark/9.png light."""
    found = {f"{name}/{k}.png": picture(shade, k) for name, shade in SHADES.items() for k in range(10)}
    return {**found, "light/0.png": picture(20, 50), "dark/9.png": picture(200, 50)}


def handed_over(client: TestClient, files: dict[str, bytes]) -> dict[str, Any]:
    folder = lab_of(client).internal / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    named = []
    for name, content in files.items():
        (folder / sha256(content).hexdigest()).write_bytes(content)
        named.append({"id": sha256(content).hexdigest(), "name": name})
    answer = client.post(API, json={"files": named})
    assert answer.status_code == 201, answer.text
    return answer.json()


def correct(client: TestClient, id_: str, file: str, action: str, to: str = "", **more: Any) -> Any:
    body = {"file": file, "action": action, "to": to, **more}
    return client.post(f"{API}/{id_}/corrections", json=body)


def trained(client: TestClient, id_: str, **more: Any) -> dict[str, Any]:
    settings = {"network": CHAIN, "epochs": 1, "batch": 4}
    uploads = {"data": [{"set": id_, "name": "shades", **more}]}
    answer = client.post("/api/v1/jobs", json={"verb": "train", "settings": settings, "uploads": uploads})
    assert answer.status_code == 201, answer.text
    work(lab_of(client).runs, threading.Event(), until_idle=True)
    job = client.get(f"/api/v1/jobs/{answer.json()['id']}").json()
    assert job["state"] == "done", job["error"]
    return job


def learned_from(client: TestClient, job: dict[str, Any]) -> dict[str, bytes]:
    """What lay in the folder that a training learned from."""
    root = lab_of(client).inputs(job["id"]) / "data"
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_a_training_learns_from_the_corrected_data_and_the_uploads_stay(client: TestClient) -> None:
    files = contents()
    found = handed_over(client, files)
    assert (found["count"], found["classes"], found["version"]) == (20, {"dark": 10, "light": 10}, 0)
    first = trained(client, found["id"])
    assert learned_from(client, first) == files and first["command"].endswith("shades --epochs 1 --batch 4")
    assert first["uploads"]["data"] == [{"set": found["id"], "name": "shades", "version": 0}]
    shown = {one["file"] for one in first["document"]["training"]["samples"]["samples"]}
    assert shown and shown <= set(files)  # as the page names them when it corrects one
    moved = correct(client, found["id"], "light/0.png", "move", "dark", version=0).json()
    assert moved["classes"] == {"dark": 11, "light": 9} and moved["corrections"][0]["file"] == "light/0.png"
    correct(client, found["id"], "dark/9.png", "remove", version=0)
    second = trained(client, found["id"])
    wanted = {name: content for name, content in files.items() if name not in ("light/0.png", "dark/9.png")}
    assert learned_from(client, second) == {**wanted, "dark/0-2.png": files["light/0.png"]}
    assert second["document"]["classes"] == {"dark": 8, "light": 8}  # without those that are tested on
    uploads = lab_of(client).internal / "uploads"
    assert {path.read_bytes() for path in uploads.iterdir()} == set(files.values())
    assert learned_from(client, trained(client, found["id"], version=0)) == files  # as it was then


def test_a_moved_file_is_found_again_where_it_lay_in_a_later_training(client: TestClient) -> None:
    found = handed_over(client, contents())
    now = correct(client, found["id"], "light/0.png", "move", "dark", version=0).json()
    again = correct(client, found["id"], "dark/0-2.png", "remove", version=now["version"])
    assert again.status_code == 201, again.text
    held = [one for one in again.json()["corrections"] if not one["undone"]]
    assert [(one["name"], one["action"], one["file"]) for one in held] == [
        ("light/0.png", "remove", "dark/0-2.png")
    ]


def test_corrections_are_taken_back(client: TestClient) -> None:
    found = handed_over(client, contents())
    id_ = found["id"]
    correct(client, id_, "light/0.png", "move", "dark")
    correct(client, id_, "dark/9.png", "remove")
    number = client.get(f"{API}/{id_}").json()["corrections"][0]["number"]
    undone = client.delete(f"{API}/{id_}/corrections/{number}").json()
    assert undone["classes"] == {"dark": 9, "light": 10} and undone["version"] == 3
    assert [one["undone"] for one in undone["corrections"]] == [True, False]
    assert client.delete(f"{API}/{id_}/corrections/{number}").status_code == 404
    correct(client, id_, "light/1.png", "move", "dark")
    back = correct(client, id_, "dark/1-2.png", "move", "light").json()  # to its own class: taken back
    assert back["classes"] == {"dark": 9, "light": 10} and back["count"] == 19
    assert handed_over(client, contents())["id"] == id_  # handed over again: the corrections are there


@pytest.mark.parametrize(
    ("file", "action", "to", "status"),
    [
        ("nothing.png", "remove", "", 404),
        ("../dark/1.png", "remove", "", 404),
        ("dark/1.png", "move", "purple", 422),
        ("dark/1.png", "move", "../..", 422),
        ("dark/1.png", "burn", "", 422),
    ],
)
def test_wrong_corrections_are_refused(
    client: TestClient, file: str, action: str, to: str, status: int
) -> None:
    found = handed_over(client, contents())
    answer = correct(client, found["id"], file, action, to)
    assert answer.status_code == status and answer.json()["error"]["expected"]
    assert client.get(f"{API}/{found['id']}").json()["version"] == 0
    for wrong in ("8" * 64, "..", "x"):
        assert client.get(f"{API}/{wrong}").status_code == 404
    refused = client.post(API, json={"files": [{"id": "8" * 64, "name": "a/1.png"}]})
    assert refused.status_code == 404


NAMES = ["dogs/it's.png", "dogs/名字 😀.png", "train/dogs/1.png", "cats/1.png", "cats/2.png", "dogs/2.png"]


def test_the_program_does_the_same_in_the_users_folder_and_takes_it_back(
    client: TestClient, tmp_path: Path
) -> None:
    files = {name: picture(3 * k, k) for k, name in enumerate(NAMES)}
    found = handed_over(client, files)
    own = tmp_path / "my pets"
    for name, content in files.items():
        (own / name).parent.mkdir(parents=True, exist_ok=True)
        (own / name).write_bytes(content)
    for file, to in (("dogs/it's.png", "cats"), ("train/dogs/1.png", "cats"), ("dogs/2.png", "cats")):
        assert correct(client, found["id"], file, "move", to, version=0).status_code == 201
    correct(client, found["id"], "cats/2.png", "move", "dogs", version=0)  # the two change places
    correct(client, found["id"], "dogs/名字 😀.png", "remove", version=0)
    program = client.get(f"{API}/{found['id']}/corrections.py")
    assert "attachment" in program.headers["content-disposition"]
    (tmp_path / "corrections.py").write_bytes(program.content)

    def run(*words: str) -> int:
        command = [sys.executable, "-I", tmp_path / "corrections.py", own, *words]
        return subprocess.run(command, check=False, capture_output=True).returncode

    def held(root: Path) -> dict[str, bytes]:
        return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}

    assert run() == 0
    sets = UploadedSets(lab_of(client))
    uploads = lab_of(client).internal / "uploads"
    wanted = {f["name"]: (uploads / f["id"]).read_bytes() for f in sets.files(found["id"])}
    assert held(own) == wanted and "cats/2.png" in wanted and "dogs/2.png" in wanted
    assert held(own.with_name("my pets.removed")) == {"dogs/名字 😀.png": files["dogs/名字 😀.png"]}
    assert run() == 1 and held(own) == wanted  # a second time nothing is there to be moved, and nothing is
    assert run("--undo") == 0 and held(own) == files
