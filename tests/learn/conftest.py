import json
from pathlib import Path

import pytest
import torch

from convscope import nets
from convscope.graph.chain import chain
from convscope.graph.spec import TensorSpec
from convscope.learn.trainer.state import BEFORE, FILE
from convscope.nets import Net
from convscope.worlds import ImageTensorDataset
from convscope.worlds.datasets import digits

SMALL = "conv 4 3x3, relu, maxpool 2, conv 6 3x3, relu, maxpool 2, flatten, dropout 0.3, dense 10"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is measured here stays here."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Of the whole module, so that its fixtures run with one thread too: rounding depends on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def small_net(seed: int = 0, text: str = SMALL) -> Net:
    graph = chain("1x28x28", text)
    return nets.wrap(nets.build(graph, seed=seed), TensorSpec((1, 28, 28)), name="small")


def drop_previous_state(folder: Path) -> None:
    """Leave a run its newest state alone, so that a damage of it cannot be made up for."""
    (folder / BEFORE).unlink(missing_ok=True)
    newest = json.loads((folder / FILE).read_text())["tensors"]
    for path in folder.glob("*.safetensors"):
        if path.name != newest:
            path.unlink()


@pytest.fixture(scope="session")
def train_images() -> ImageTensorDataset:
    return digits.train().take(range(600))


@pytest.fixture(scope="session")
def test_images() -> ImageTensorDataset:
    return digits.test().take(range(200))
