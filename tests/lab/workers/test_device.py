"""The networks of the live worker compute on the device that the lab was started with."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.lab.frame_decoder import decode_frame

from convscope.errors import MissingError, UsageError
from convscope.lab.live.networks import Networks
from convscope.lab.recipe import LabRecipe
from convscope.lab.workers.device import require_device
from convscope.lab.workers.live import LiveOperations
from convscope.nets import Net

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU of NVIDIA")


def test_every_network_is_moved_to_the_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    moved: list[tuple[str, torch.device]] = []
    monkeypatch.setattr(Net, "to", lambda net, device: moved.append((net.name, device)) or net)
    live = LiveOperations(tmp_path, torch.device("cuda", 0))
    live.network("digits")
    live.network("lenet5")
    live.network("digits")
    assert moved == [("digits", torch.device("cuda", 0)), ("lenet5", torch.device("cuda", 0))]


def test_the_worker_is_told_the_device_and_says_it(serve: Callable[..., Any]) -> None:
    client = serve({"live": "convscope.lab.workers.live"}, device="cpu")
    worker = client.server.state.workers["live"]
    assert worker.settings["device"] == "cpu"
    assert client("GET", "/api/v1/networks/digits").status == 200  # it has started
    assert client("GET", "/api/v1/status").json["device"] == "cpu"


def test_an_unknown_device_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError) as refused:
        LabRecipe.parse({"device": "tpu"})
    assert "tpu" in str(refused.value) and all(name in str(refused.value) for name in ("cpu", "cuda", "mps"))


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has mps")
def test_a_device_that_this_machine_lacks_is_refused_before_the_server_starts(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="a device of this machine"):
        require_device("mps")
    require_device("auto")
    command = ["-m", "convscope", "lab", "--no-browser", "--port", "0", "--device", "mps"]
    found = subprocess.run(
        [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert found.returncode == MissingError("").exit_code
    assert "mps" in found.stderr and "--device auto" in found.stderr and "http://" not in found.stderr


@GPU
def test_maps_of_a_gpu_are_those_of_the_cpu(tmp_path: Path) -> None:
    frames = {}
    for device in ("cpu", "cuda"):
        live = LiveOperations(tmp_path, device)
        frames[device] = decode_frame(live.forward("digits", given={"sample": 3})[1])
        live.inspect("digits", "conv2:7", {"sample": 3})
        live.compare(("digits", "lenet5"), given={"sample": 3})
    (cpu, maps), (gpu, others) = frames["cpu"], frames["cuda"]
    assert gpu["probabilities"] == pytest.approx(cpu["probabilities"], abs=1e-3)
    for name, (low, high, _) in maps.items():
        assert torch.allclose(torch.as_tensor(others[name][0]), torch.as_tensor(low), atol=1e-2)
        assert torch.allclose(torch.as_tensor(others[name][1]), torch.as_tensor(high), atol=1e-2)


@GPU
def test_networks_lie_on_the_gpu(tmp_path: Path) -> None:
    assert Networks(tmp_path, "cuda").load("digits").device.type == "cuda"
