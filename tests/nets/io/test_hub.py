"""Networks on the Hub, with a stand-in of huggingface_hub whose repositories are folders."""

import json
import shutil
import sys
import types
from collections.abc import Callable
from hashlib import sha1
from pathlib import Path
from typing import Any

import pytest
import torch

import convscope as cs
from convscope import nets
from convscope.errors import DataError, MissingError, UsageError
from convscope.graph.chain import chain
from convscope.graph.spec import TensorSpec
from convscope.nets import Net, is_network, push_to_hub
from convscope.nets.io.hub import HubAddress

FILES = {"model.json", "model.safetensors"}


class RevisionNotFoundError(OSError):
    """Has the name of the package's own."""


class Hub(types.ModuleType):
    """Stands in for huggingface_hub: commits are folders, branches files."""

    def __init__(self, root: Path) -> None:
        super().__init__("huggingface_hub")
        self.root, self.HfApi, self.private = root, lambda: self, []

    def create_repo(self, repo_id: str, *, private: bool | None, exist_ok: bool) -> None:
        (self.root / repo_id).mkdir(parents=True, exist_ok=exist_ok)
        self.private.append(private)

    def create_branch(self, repo_id: str, *, branch: str, exist_ok: bool) -> None:
        (self.root / repo_id / branch).touch(exist_ok=exist_ok)

    def upload_folder(self, *, repo_id: str, folder_path: str, revision: str | None, **given: Any) -> Any:
        files = {
            path.name: path for path in Path(folder_path).iterdir() if path.name in given["allow_patterns"]
        }
        commit = sha1(b"".join(files[name].read_bytes() for name in sorted(files))).hexdigest()
        for name, path in files.items():
            blob = self.root / repo_id / f"blob-{commit}-{name}"
            shutil.copy(path, blob)
            (self.root / repo_id / commit).mkdir(exist_ok=True)
            (self.root / repo_id / commit / name).symlink_to(blob)  # as in the package's cache
        (self.root / repo_id / (revision or "main")).write_text(commit)
        return types.SimpleNamespace(oid=commit)

    def snapshot_download(self, repo_id: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        assert set(allow_patterns) == FILES
        place = self.root / repo_id / (revision or "main")
        if not place.exists():
            raise RevisionNotFoundError(f"404: no {revision} in {repo_id}")
        return str(place if place.is_dir() else place.parent / place.read_text())


@pytest.fixture
def hub(monkeypatch, tmp_path) -> Hub:
    found = Hub(tmp_path / "repos")
    monkeypatch.setitem(sys.modules, "huggingface_hub", found)
    return found


@pytest.fixture
def net() -> Net:
    module = nets.build(chain("1x12x12", "conv 3 3x3, relu, flatten, dense 2"), seed=3)
    return nets.wrap(module, TensorSpec((1, 12, 12)), ("ant", "bee"), name="small")


def same_answers(one: Net, other: Net) -> bool:
    x = torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return torch.equal(one(x), other(x))


def test_a_network_comes_back_as_it_was_with_its_commit(hub, net) -> None:
    address = push_to_hub(net, "anna/small", private=True)
    found = cs.load("hf://anna/small")
    assert same_answers(found, net) and found.classes == ("ant", "bee") and not found.module.training
    assert found.source.weights == address and found.source.url == "https://huggingface.co/anna/small"
    assert hub.private == [True]


def test_a_commit_stays_what_it_is_when_the_branch_goes_on(hub, net) -> None:
    first = push_to_hub(net, "anna/small")
    with torch.no_grad():
        next(net.module.parameters()).add_(1)
    second = push_to_hub(net, "hf://anna/small@trial")
    assert first != second
    assert same_answers(cs.load("hf://anna/small@trial"), net)
    assert same_answers(cs.load(second), net)
    assert not same_answers(cs.load("hf://anna/small"), net)
    assert same_answers(cs.load(first), cs.load("hf://anna/small@main"))


def test_of_a_run_only_the_network_is_sent_and_no_path_of_the_user(hub, net, tmp_path) -> None:
    recipe = {
        "data": str(tmp_path / "photos"),
        "root": "C:\\Users\\anna\\sets",
        "epochs": 3,
        "freeze": ["/a/b"],
    }
    run = nets.save(net, tmp_path / "run", recipe=recipe)
    (run / "metrics.jsonl").write_text("{}\n")
    (run / "state").mkdir()
    address = HubAddress.parse(push_to_hub(run, "anna/run"))
    sent = hub.root / "anna" / "run" / str(address.revision)
    assert {path.name for path in sent.iterdir()} == FILES
    text = (sent / "model.json").read_text()
    assert json.loads(text)["recipe"] == {"data": "photos", "root": "sets", "epochs": 3, "freeze": ["b"]}
    assert str(tmp_path) not in text and json.loads((run / "model.json").read_text())["recipe"] == recipe
    assert same_answers(cs.load(str(address)), net)


def test_what_is_not_there_is_named(hub, net) -> None:
    push_to_hub(net, "anna/small")
    with pytest.raises(
        MissingError, match=r"hf://anna/small@lost on the Hub.*RevisionNotFoundError.*Leave it out"
    ):
        cs.load("hf://anna/small@lost")
    with pytest.raises(UsageError, match="'packaged', None"):
        cs.load("hf://anna/small", weights="default")


def test_a_damaged_network_is_refused(hub, net) -> None:
    address = HubAddress.parse(push_to_hub(net, "anna/small"))
    blob = next((hub.root / "anna" / "small").glob("blob-*-model.safetensors"))
    blob.write_bytes(blob.read_bytes()[:-5])
    with pytest.raises(DataError):
        cs.load(str(address))


@pytest.mark.parametrize(
    "text",
    [
        "hf://",
        "hf://anna",
        "hf://anna/../etc",
        "hf:///etc/passwd",
        "hf://a/b/c",
        "hf://a/b@",
        "hf://a/b@-x y",
    ],
)
def test_what_is_no_address_is_refused_before_anything_is_asked(monkeypatch, net, text) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for call in (cs.load, lambda address: push_to_hub(net, address)):
        with pytest.raises(UsageError, match="hf://owner/name"):
            call(text)


def test_a_missing_package_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingError, match="pip install huggingface_hub"):
        cs.load("hf://anna/small")


def test_verbs_take_an_address_for_a_network() -> None:
    assert is_network("hf://anna/small@v1") and not is_network("hf:anna")


def test_the_package_itself_is_called_as_it_wants(monkeypatch, tmp_path) -> None:
    """Without a connection: the cache of the package is asked, and its own error explained."""
    hub = pytest.importorskip("huggingface_hub", reason="needs the package huggingface_hub")
    download: Callable[..., str] = hub.snapshot_download
    monkeypatch.setattr(
        hub,
        "snapshot_download",
        lambda *given, **more: download(*given, **more, local_files_only=True, cache_dir=tmp_path),
    )
    with pytest.raises(MissingError, match="hf://anna/small on the Hub"):
        cs.load("hf://anna/small")
    snapshots = tmp_path / "models--anna--small"
    commit = "0123456789" * 4
    nets.save(cs.load("digits"), snapshots / "snapshots" / commit)
    (snapshots / "refs").mkdir()
    (snapshots / "refs" / "main").write_text(commit)
    assert cs.load("hf://anna/small").source.weights == f"hf://anna/small@{commit}"


def test_a_network_with_code_of_its_own_is_not_sent(hub) -> None:
    class Own(torch.nn.Linear):
        pass

    net = nets.wrap(Own(4, 2), TensorSpec((4,)), name="own")
    with pytest.raises(UsageError, match="that load can build again"):
        push_to_hub(net, "anna/own")
    assert not (hub.root / "anna" / "own").exists()
