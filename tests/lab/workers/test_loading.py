"""Networks are loaded in a thread of the live worker, while it answers questions about others."""

import queue
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
import torch
from tests.lab.frame_decoder import decode_frame
from websockets.sync.client import connect

from convscope import nets
from convscope.errors import UsageError
from convscope.lab.live.networks import Networks, Opened
from convscope.lab.workers.channel import Request
from convscope.lab.workers.loading import Loader

WAIT = 240


class SlowNetworks(Networks):
    """Networks that are opened when a test says so; all of them are `digits`."""

    def __init__(self) -> None:
        super().__init__(folder=None)  # pyright: ignore[reportArgumentType]
        self.opened: list[str] = []
        self.may_open = threading.Event()

    def open(self, name: str) -> Opened:
        self.opened.append(name)
        assert self.may_open.wait(WAIT)
        if name == "bad":
            raise UsageError("a network", received="bad")
        return Opened(nets.load("digits"), 0.0)

    def _place(self, name: str) -> tuple[None, str]:
        return None, ""


def question(number: int, **args: Any) -> Request:
    return Request(number, "network", args, b"")


@pytest.fixture
def parts() -> tuple[SlowNetworks, Loader, "queue.SimpleQueue[Request]"]:
    networks, repeated = SlowNetworks(), queue.SimpleQueue[Request]()
    return networks, Loader(networks, repeated.put), repeated


def test_questions_about_one_network_wait_for_it_and_it_is_loaded_once(parts: Any) -> None:
    networks, loader, repeated = parts
    networks.keep("here", Opened(nets.load("digits"), 0.0))
    asked = [question(1, net="slow"), question(2, net="slow")]
    assert [loader.defer(one) for one in asked] == [True, True] and loader.busy
    assert not loader.defer(question(3, net="here")) and not loader.defer(question(4, upload="x"))
    networks.may_open.set()
    assert [repeated.get(timeout=WAIT) for _ in asked] == asked
    assert networks.opened == ["slow"] and not loader.busy
    assert not loader.defer(asked[0])
    assert "conv2" in {layer.name for layer in networks.load("slow").cache("lab: layers", lambda: ())}


def test_a_question_about_two_networks_waits_for_both(parts: Any) -> None:
    networks, loader, repeated = parts
    networks.may_open.set()
    asked = question(1, nets=["one", "two"])
    for _ in range(2):
        assert loader.defer(asked)
        assert repeated.get(timeout=WAIT) is asked
    assert not loader.defer(asked) and networks.opened == ["one", "two"]


def test_a_network_that_cannot_be_loaded_is_left_to_the_operation_which_says_why(parts: Any) -> None:
    networks, loader, repeated = parts
    networks.may_open.set()
    asked = question(7, net="bad")
    assert loader.defer(asked) and repeated.get(timeout=WAIT) is asked
    assert not loader.defer(asked)
    with pytest.raises(UsageError, match="a network"):
        networks.load("bad")
    assert loader.defer(question(8, net="bad"))  # another question tries again


def test_fresh_weights_are_those_of_the_seed_whatever_else_is_loaded(tmp_path: Any) -> None:
    networks = Networks(tmp_path)
    wanted = nets.load("torchvision/squeezenet1_1", seed=0).module.state_dict()
    names = ["torchvision/squeezenet1_1", "torchvision/mobilenet_v3_small", "lenet5"]
    found: dict[str, Opened] = {}
    threads = [
        threading.Thread(target=lambda one=name: found.update({one: networks.open(one)})) for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    got = found[names[0]].net.module.state_dict()
    assert all(torch.equal(got[name], values) for name, values in wanted.items())


def test_another_tab_gets_its_maps_before_a_large_network_is_there(serve: Callable[..., Any]) -> None:
    server = serve({"live": "convscope.lab.workers.live"}).server
    address = f"ws://127.0.0.1:{server.port}/api/v1/socket"
    with ExitStack() as tabs:
        large, small = (
            tabs.enter_context(
                connect(address, compression=None, additional_headers=server.session.headers, max_size=2**24)
            )
            for _ in range(2)
        )
        small.send('{"type": "input", "seq": 1, "sample": 0}')
        assert isinstance(small.recv(WAIT), bytes)  # the worker has started
        large.send('{"type": "watch", "net": "torchvision/convnext_tiny"}')
        with pytest.raises(TimeoutError):
            large.recv(0.05)  # the question is with the worker
        small.send('{"type": "input", "seq": 2, "sample": 1}')
        answer = small.recv(WAIT)
        with pytest.raises(TimeoutError):
            large.recv(0)
        assert isinstance(answer, bytes) and decode_frame(answer)[0]["seq"] == 2
        found = large.recv(WAIT)
        assert isinstance(found, str) and '"watching"' in found and "convnext_tiny" in found
