"""Push and pull with huggingface_hub itself, against a loopback server that answers as the Hub does."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tests.learn.conftest import small_net
from tests.nets.io.hub_server import TOKEN, HubServer, hub_server
from tests.nets.io.test_hub import FILES

from convscope import nets

pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed (the extra `hub`)")
ANSWERS = """
import sys, torch, convscope as cs
from torch import load
net = cs.load(sys.argv[1])
print(net.source.weights)
assert torch.equal(net(load("x.pt", weights_only=True)), load("y.pt", weights_only=True))
"""


@pytest.fixture
def server() -> Iterator[HubServer]:
    with hub_server() as found:
        yield found


def run(server: HubServer, folder: Path, *words: str, **changed: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process whose Hub is the server, with a cache of its own."""
    env = {**os.environ, "HF_ENDPOINT": server.url, "HF_HOME": str(folder / "cache"), "HF_TOKEN": TOKEN}
    given = {**env, "HF_HUB_DISABLE_TELEMETRY": "1", "OMP_NUM_THREADS": "1", **changed}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=given, capture_output=True, text=True, timeout=120
    )


def test_a_run_is_pushed_and_pulled(server: HubServer, tmp_path: Path) -> None:
    net = small_net()
    nets.save(net, tmp_path / "mine", recipe={"verb": "train", "data": "/data/photos"})
    x = torch.rand(2, 1, 28, 28)
    torch.save(x, tmp_path / "x.pt")
    with torch.no_grad():
        torch.save(net(x), tmp_path / "y.pt")
    pushed = run(
        server, tmp_path, "-m", "convscope", "push", "mine", "anna/small@trial", "--private", "--json"
    )
    assert pushed.returncode == 0, pushed.stderr
    commit = server.branches["anna/small"]["trial"]
    address = f"hf://anna/small@{commit}"
    assert json.loads(pushed.stdout)["address"] == address
    assert set(server.commits[commit]) == FILES and server.private == {"anna/small": True}
    assert json.loads(server.commits[commit]["model.json"])["recipe"]["data"] == "photos"
    assert not server.commits[server.branches["anna/small"]["main"]]

    pulled = run(server, tmp_path, "-c", ANSWERS, "hf://anna/small@trial")
    assert pulled.stdout.strip() == address, pulled.stderr
    assert sum("model.safetensors" in asked for asked in server.asked if asked.startswith("GET")) == 1
    before = len(server.asked)
    offline = run(server, tmp_path, "-c", ANSWERS, address, HF_HUB_OFFLINE="1")
    assert offline.stdout.strip() == address, offline.stderr  # from the cache
    assert len(server.asked) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "changed", "said"),
    [
        ("hf://anna/none", {}, "Check the name; for a private network set HF_TOKEN."),
        ("hf://anna/small@none", {}, "Leave it out for the newest"),
        ("hf://anna/small", {"HF_TOKEN": "hf_wrong"}, "HF_TOKEN"),
    ],
)
def test_a_refusal_of_the_hub_has_a_next_step(
    server: HubServer, tmp_path: Path, address: str, changed: dict[str, str], said: str
) -> None:
    server.branches["anna/small"], server.commits["0" * 40] = {"main": "0" * 40}, {}
    done = run(server, tmp_path, "-m", "convscope", "describe", address, **changed)
    assert done.returncode == 4 and said in done.stderr, done.stderr
