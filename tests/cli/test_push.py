"""`convscope push`, to a stand-in of the Hub whose repositories are folders."""

import json
import sys
from pathlib import Path

import pytest
import torch
from tests.learn.conftest import small_net
from tests.nets.io.test_hub import FILES, Hub

from convscope import nets

SETTINGS = {"verb": "train", "data": "/data/photos"}


@pytest.fixture
def hub(monkeypatch, tmp_path: Path, convscope) -> Hub:
    """The stand-in, beside a run named `mine`."""
    nets.save(small_net(), tmp_path / "mine", recipe=SETTINGS)
    (tmp_path / "mine" / "metrics.jsonl").write_text("{}\n")
    found = Hub(tmp_path / "repos")
    monkeypatch.setitem(sys.modules, "huggingface_hub", found)
    return found


def test_a_run_is_sent_and_other_verbs_open_it(convscope, hub) -> None:
    done = convscope("push", "mine", "anna/small", "--quiet")
    assert done.code == 0 and "convscope describe hf://anna/small" in done.out, done.err
    (commit,) = [place for place in (hub.root / "anna" / "small").iterdir() if place.is_dir()]
    assert f"hf://anna/small@{commit.name}" in done.out and {path.name for path in commit.iterdir()} == FILES
    assert json.loads((commit / "model.json").read_text())["recipe"] == {**SETTINGS, "data": "photos"}
    x = torch.rand(2, 1, 28, 28)
    with torch.no_grad():
        assert torch.equal(nets.load("hf://anna/small")(x), nets.load("mine")(x))
    found = convscope("describe", "hf://anna/small", "--json")
    assert found.code == 0 and "hf://anna/small" in found.out, found.err
    assert hub.private == [None]


def test_a_branch_a_private_repository_and_a_network_that_ships(convscope, hub) -> None:
    done = convscope("push", "digits", "hf://anna/small@trial", "--private", "--json")
    assert done.code == 0 and done.json["name"] == "digits", done.err
    x = torch.rand(2, 1, 28, 28)
    with torch.no_grad():
        for address in ("hf://anna/small@trial", done.json["address"]):
            assert torch.equal(nets.load(address)(x), nets.load("digits")(x))
    assert hub.private == [True] and not (hub.root / "anna" / "small" / "main").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("lecture", "anna/small"), 2, "fresh ones"),
        (("mine", "anna"), 2, "hf://owner/name"),
        (("mine", "../up/anna"), 2, "hf://owner/name"),
        (("broken", "anna/small"), 3, "broken"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_the_hub_is_asked(convscope, hub, words, code, said) -> None:
    hub.root.mkdir()
    nets.save(small_net(), Path("broken"))
    Path("broken/model.safetensors").write_bytes(b"\0" * 20)
    done = convscope("push", *words, "--quiet")
    assert done.code == code and said in done.err and "next: " in done.err, done.err
    assert list(hub.root.iterdir()) == []


def test_a_hub_that_refuses_is_explained(convscope, hub, monkeypatch) -> None:
    def refuse(*_args, **_given):
        raise PermissionError("401: no token")

    monkeypatch.setattr(hub, "create_repo", refuse)
    done = convscope("push", "mine", "anna/small", "--quiet")
    assert done.code == 4 and "401: no token" in done.err and "HF_TOKEN" in done.err
