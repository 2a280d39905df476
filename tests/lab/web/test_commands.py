"""Each command and program that the lab shows runs as printed, also where it has another folder."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.lab.conftest import Client

from convscope import nets
from convscope.cli.core import app
from convscope.lab.folder import LabFolder
from convscope.lab.live.background import Background
from convscope.lab.live.networks import describe_network
from convscope.lab.live.units import Units
from convscope.lab.web.jobs import check_request
from convscope.lab.web.reference.snippets import snippets
from convscope.learn import train
from convscope.worlds.datasets import digits

FOLDER = "my results"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the lab is started: `my results` holds a training, and a network whose name has an `@`."""
    place = tmp_path_factory.mktemp("place")
    net = nets.load("digits")
    train(net, digits.test().take(range(40)), out=place / FOLDER / "mine", epochs=1, batch=20)
    nets.save(nets.load("digits"), place / FOLDER / "other@home")
    Image.fromarray(digits.test().pixels([0])[0, 0].numpy()).save(place / "photo.jpg")
    return place


@pytest.fixture
def folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabFolder]:
    monkeypatch.chdir(place)
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    return LabFolder(Path(FOLDER))


def call(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command as a shell reads it; return what it prints."""
    program, *words = shlex.split(command)
    assert program == "convscope"
    capsys.readouterr()
    assert app.run(words) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def card(folder: LabFolder, name: str) -> dict[str, Any]:
    net = nets.load(folder.reference(name))
    return Units(Background(), folder).card(net, name, "conv2:7")


@pytest.mark.slow
@pytest.mark.parametrize("run", ["mine", "other@home"])
def test_commands_name_a_training_by_its_folder(
    folder: LabFolder, run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"run:{run}"
    net = nets.load(folder.reference(name))
    assert "conv2" in call(describe_network(net, name, folder.reference(name))["command"], capsys)
    shown = snippets(name, "http://127.0.0.1:1/", folder)
    assert digits.test().classes[int(digits.test().labels[0])] in call(shown["terminal"], capsys)
    job = check_request("classify", {"net": name}, {"images": [{"id": "x", "name": "photo.jpg"}]}, folder)
    assert call(job, capsys) == call(shown["terminal"], capsys)
    assert call(f"{card(folder, name)['command']} --out unit-{run}", capsys)
    space: dict[str, Any] = {}
    exec("\n".join(card(folder, name)["code"].splitlines()[:-1]), space)  # without the picture
    assert space["terms"].address.startswith("conv2:7@")


def test_a_checkpoint_is_opened_by_python_alone(folder: LabFolder) -> None:
    name = "run:mine@last"
    assert folder.run_and_checkpoint(name) == ("mine", "last")
    shown = card(folder, name)
    assert shown["command"] == snippets(name, "http://127.0.0.1:1/", folder)["terminal"] == ""
    space: dict[str, Any] = {}
    exec("\n".join(shown["code"].splitlines()[:-1]), space)
    assert space["terms"].address.startswith("conv2:7@")


def test_a_network_in_the_folder_where_the_lab_was_started_is_no_name(place: Path) -> None:
    assert LabFolder(Path()).reference("run:digits") == "./digits"
    assert LabFolder(place).reference("run:mine") == f"{place}/mine"
    assert LabFolder(place).reference("timm/resnet18") == "timm/resnet18"


def test_a_command_names_the_folder_of_a_published_set(tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    settings = {"network": "digits", "data": "mnist"}
    found = check_request("train", settings, {}, LabFolder(tmp_path / "runs", tmp_path))
    assert shlex.split(found) == ["convscope", "train", "digits", "mnist", "--root", str(tmp_path / "mnist")]


def test_the_page_is_told_where_trainings_and_published_sets_lie(serve, tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    client: Client = serve(data=str(tmp_path))
    assert client("GET", "/api/v1/status").json["folder"] == str(client.server.state.runs)
    sets = {
        one["name"]: one["root"] for world in client("GET", "/api/v1/datasets").json for one in world["sets"]
    }
    assert sets["mnist"] == str(tmp_path / "mnist") and sets["digits"] == sets["cifar10"] == ""
