"""The thin path: a server with a live worker, and a WebSocket as a page has it."""

import base64
import json
import struct
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tests.lab.frame_decoder import decode_frame
from websockets.sync.client import ClientConnection, connect

from convscope import nets, see, worlds
from convscope.lab.folder import LabFolder
from convscope.lab.queue.table import Queue
from convscope.lab.recipe import LabRecipe
from convscope.lab.web.server import Server

WAIT = 240


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("runs")
    recipe = LabRecipe(folder=str(folder), port=0, browser=False)
    with Server(recipe, {"live": "convscope.lab.workers.live"}) as running:
        yield running


@pytest.fixture
def tab(server: Server) -> Iterator[ClientConnection]:
    address = f"ws://127.0.0.1:{server.port}/api/v1/socket"
    with connect(address, compression=None, additional_headers=server.session.headers) as opened:
        yield opened


def request(server: Server, path: str) -> Any:
    asked = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", headers=server.session.headers)
    return urllib.request.urlopen(asked, timeout=WAIT)


def get(server: Server, path: str) -> Any:
    with request(server, f"/api/v1{path}") as answer:
        return json.load(answer)


def ask(tab: ClientConnection, **message: Any) -> dict[str, Any]:
    tab.send(json.dumps(message))
    answer = tab.recv(WAIT)
    assert isinstance(answer, str)
    return json.loads(answer)


def maps(tab: ClientConnection) -> tuple[dict[str, Any], dict[str, Any]]:
    answer = tab.recv(WAIT)
    assert isinstance(answer, bytes), answer
    return decode_frame(answer)


PIXELS = torch.randint(0, 256, (1, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def test_networks_and_layers_are_described(server: Server) -> None:
    found = {network["name"]: network for network in get(server, "/networks")}
    assert found["digits"]["trained"] and found["digits"]["world"] == "digit"
    digits = get(server, "/networks/digits")
    assert digits["spec"]["shape"] == [1, 28, 28] and digits["spec"]["classes"][7] == "7"
    conv2 = next(layer for layer in digits["layers"] if layer["name"] == "conv2")
    assert conv2["shape"] == [50, 11, 11] and conv2["parameters"] == 50 * (25 * 9 + 1)
    assert (
        conv2["field"]["size"] == [8, 8]
        and conv2["field"]["stride"] == [2, 2]
        and conv2["inputs"] == ["pool1"]
    )
    assert conv2["options"]["kernel_size"] == [3, 3]


def test_a_stroke_comes_back_as_the_maps_of_all_layers(tab: ClientConnection) -> None:
    watching = ask(tab, type="watch", net="digits", layers=None)
    assert watching["type"] == "watching" and watching["net"] == "digits"
    tab.send(struct.pack("<I", 5) + PIXELS.numpy().tobytes())
    header, found = maps(tab)
    image = PIXELS.float()[None] / 255
    wanted = {one.place: one.maps for one in see.feature_maps("digits", image)}
    assert header["type"] == "maps" and header["seq"] == 5
    assert {layer["name"] for layer in watching["layers"]} == set(found) - {"input"}
    for name in set(found) - {"input"}:
        low, high, values = found[name]
        again = low[:, None, None] + values * (high - low)[:, None, None] / 255
        assert float((again - wanted[name].reshape(again.shape)).abs().max()) < 0.02 * float(
            high.max() - low.min()
        )
    assert header["probabilities"] == pytest.approx(
        nets.load("digits")(image).softmax(1)[0].tolist(), abs=1e-5
    )


def test_the_same_input_as_base64_and_a_bundled_example(tab: ClientConnection) -> None:
    tab.send(
        json.dumps({"type": "input", "seq": 1, "data": base64.b64encode(PIXELS.numpy().tobytes()).decode()})
    )
    first, _ = maps(tab)
    tab.send(struct.pack("<I", 2) + PIXELS.numpy().tobytes())
    second, _ = maps(tab)
    assert first["probabilities"] == second["probabilities"] and (first["seq"], second["seq"]) == (1, 2)
    tab.send(json.dumps({"type": "input", "seq": 3, "sample": 4}))
    assert maps(tab)[0]["seq"] == 3


def test_steering_repeats_the_last_input(tab: ClientConnection) -> None:
    tab.send(json.dumps({"type": "input", "seq": 1, "sample": 0}))
    plain, _ = maps(tab)
    tab.send(json.dumps({"type": "steer", "units": [{"address": "dense2:2", "scale": 0}]}))
    steered, found = maps(tab)
    assert (
        steered["seq"] == 1
        and steered["probabilities"] == plain["probabilities"] != steered["steered_probabilities"]
    )
    assert float(found["dense2"][0][2]) == 0
    tab.send(json.dumps({"type": "steer", "units": []}))
    assert maps(tab)[0]["steered_probabilities"] is None


def test_a_compared_network_gets_the_same_input(tab: ClientConnection) -> None:
    compared = {"net": "lenet5", "layers": ["C1"]}
    ask(tab, type="watch", net="digits", layers=["conv1", "conv2"], compared=compared)
    tab.send(struct.pack("<I", 7) + PIXELS.numpy().tobytes())
    parts = [maps(tab) for _ in range(3)]
    assert [(header["part"], header["seq"]) for header, _ in parts] == [
        ("first", 7),
        ("second", 7),
        ("difference", 7),
    ]
    assert [set(found) for _, found in parts] == [{"input", "conv1", "conv2"}, {"input", "C1"}, set()]
    assert parts[1][1]["input"][2].shape == (1, 32, 32)
    for seq in range(100):
        tab.send(struct.pack("<I", seq) + PIXELS.numpy().tobytes())
    last = -1
    while last != 99:
        last = [maps(tab)[0]["seq"] for _ in range(3)][-1]
    ask(tab, type="watch", net="digits", layers=["conv1"])
    tab.send(struct.pack("<I", 8) + PIXELS.numpy().tobytes())
    assert "part" not in maps(tab)[0]
    compared["net"] = "run:../x"
    assert ask(tab, type="watch", net="digits", compared=compared)["type"] == "watching"
    tab.send(struct.pack("<I", 9) + PIXELS.numpy().tobytes())
    assert json.loads(tab.recv(WAIT))["type"] == "error"


def test_of_many_inputs_the_last_one_is_answered_and_old_ones_are_dropped(tab: ClientConnection) -> None:
    for seq in range(200):
        tab.send(struct.pack("<I", seq) + PIXELS.numpy().tobytes())
    seen = []
    while not seen or seen[-1] != 199:
        seen.append(maps(tab)[0]["seq"])
    assert seen == sorted(set(seen)) and len(seen) < 200


@pytest.mark.parametrize(
    "message",
    [
        b"\x00",
        struct.pack("<I", 1) + bytes(3),
        "no json",
        '{"type": "dance"}',
        '{"type": "watch", "net": "../../etc/passwd"}',
        '{"type": "watch", "net": "run:../x"}',
        '{"type": "watch", "net": "hf://someone/something"}',
        '{"type": "watch", "net": "digits", "layers": ["nothing"]}',
        '{"type": "input", "seq": 1, "upload": "../../secret"}',
        '{"type": "input", "seq": 1, "data": "?"}',
        '{"type": "input", "seq": 1}',
        '{"type": "input", "seq": 1, "text": "pyproject.toml"}',
        '{"type": "steer", "units": [{"address": "conv1:0", "scale": NaN}]}',
    ],
)
def test_wrong_messages_are_answered_and_the_tab_goes_on(tab: ClientConnection, message: str | bytes) -> None:
    tab.send(message)
    answer = tab.recv(WAIT)
    error = json.loads(answer)
    if error["type"] == "watching":  # the layers are refused with the first input
        tab.send(struct.pack("<I", 1) + bytes(784))
        error = json.loads(tab.recv(WAIT))
    assert error["type"] == "error" and error["expected"]
    assert ask(tab, type="watch", net="digits")["type"] == "watching"
    tab.send(struct.pack("<I", 1) + bytes(784))
    assert maps(tab)[0]["seq"] == 1


def test_a_unit_is_inspected_on_the_present_input(tab: ClientConnection) -> None:
    early = ask(tab, type="inspect", address="conv2:7@3,4")
    assert [early[key] for key in ("type", "question", "detail")] == ["error", "inspect", "conv2:7@3,4"]
    tab.send(json.dumps({"type": "input", "seq": 8, "sample": 5}))
    maps(tab)
    found = ask(tab, type="inspect", address="conv2:7@3,4")
    image = worlds.world_of(nets.load("digits").input_spec).example(nets.load("digits").input_spec, 5)
    assert image is not None
    terms = see.unit_terms("digits", image.input[None], "conv2:7@3,4")
    assert found["type"] == "inspected" and found["seq"] == 8 and found["address"] == terms.address
    assert found["value"] == pytest.approx(terms.value, abs=1e-5) and found["bias"] == pytest.approx(
        terms.bias
    )
    assert found["following"][0]["layer"] == "relu2"


def test_unit_cards_samples_and_visualizations_over_http(server: Server) -> None:
    card = get(server, "/networks/digits/layers/conv2/units/7")
    assert card["address"] == "conv2:7" and card["kernel"]["shape"] == [25, 3, 3]
    with request(server, "/m/digits/conv2/7.json") as answer:
        assert json.load(answer)["formula"] == card["formula"]
    with request(server, "/api/v1/networks/digits/samples/3.png") as answer:
        assert answer.headers["Content-Type"] == "image/png" and answer.read(8) == b"\x89PNG\r\n\x1a\n"
    with request(server, "/api/v1/networks/spoken-digits/samples/3.wav") as answer:
        assert answer.headers["Content-Type"] == "audio/wav" and answer.read(4) == b"RIFF"
    url, share = card["visualization"]["url"], 0.0
    while share < 1:
        with request(server, url) as answer:
            share = float(answer.headers["X-Fraction"])
            found = answer.read()
    assert found.startswith(b"\x89PNG")


def test_a_region_of_an_upload_is_asked_for_over_http(server: Server) -> None:
    png = request(server, "/api/v1/networks/digits/samples/3.png").read()
    base, headers = f"http://127.0.0.1:{server.port}/api/v1", server.session.headers
    upload = urllib.request.Request(f"{base}/uploads", png, {**headers, "X-Filename": "a.png"}, method="PUT")
    with urllib.request.urlopen(upload) as answer:
        body = {"upload": json.load(answer)["id"], "region": [[6, 15], [9, 20]]}

    def ask_region(layer: str, **changed: Any) -> Any:
        asked = urllib.request.Request(
            f"{base}/networks/digits/layers/{layer}/region",
            json.dumps({**body, **changed}).encode(),
            {**headers, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(asked) as answer:
            return json.load(answer)

    found = ask_region("conv2")
    assert len(found["units"]) == 6 and found["units"][0]["address"].startswith("conv2:")
    for wrong in ({"region": [[6, 5], [9, 20]]}, {"region": [[0, 99], [0, 99]]}, {"upload": "../../secret"}):
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask_region("conv2", **wrong)
        assert refused.value.code == 422
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask_region("output")
    assert "positions lie over the input" in refused.value.read().decode()


def test_lists_of_units_and_layers_are_data_at_the_address_of_their_page(server: Server) -> None:
    with request(server, "/m/digits.json") as answer:
        assert json.load(answer) == get(server, "/networks/digits")
    with request(server, "/m/digits/conv2.json?units=7,3") as answer:
        found = json.load(answer)
    assert [one["address"] for one in found["units"]] == ["conv2:7", "conv2:3"] and found["count"] == 50
    while found["indexed"] < 1:
        found = get(server, "/networks/digits/layers/conv2/units?units=7,3")
    card = get(server, "/networks/digits/layers/conv2/units/7")
    while not card["top"]:
        card = get(server, "/networks/digits/layers/conv2/units/7")
    assert found["units"][0]["top"] == card["top"][0] and found["units"][0]["max"] == card["top"][0]["value"]
    for path, status in (("conv2.json?units=50", 404), ("conv2.json?units=x", 422), ("nothing.json", 404)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            request(server, f"/m/digits/{path}")
        assert refused.value.code == status
        refused.value.close()


def job_event(tab: ClientConnection) -> dict[str, Any]:
    """The next event of a job; frames of maps come between."""
    while True:
        answer = tab.recv(WAIT)
        if isinstance(answer, str) and (found := json.loads(answer))["type"] == "job":
            return found


def test_events_of_a_job_come_beside_the_maps_and_are_replayed_by_number(
    server: Server, tab: ClientConnection
) -> None:
    queue = Queue(LabFolder(server.state.runs).queue)
    number, other = queue.add("look", {}, command="convscope look"), queue.add("look", {})
    tab.send(json.dumps({"type": "follow", "stream": 3, "id": number, "after": 0}))
    first = job_event(tab)
    assert (first["stream"], first["id"], first["event"], first["state"]) == (3, number, "state", "queued")
    tab.send(json.dumps({"type": "input", "seq": 1, "sample": 0}))
    assert maps(tab)[0]["seq"] == 1
    queue.cancel(other)
    queue.add_event(number, "log", {"text": "one"})
    queue.cancel(number)
    later = [job_event(tab), job_event(tab)]
    assert [one["event"] for one in later] == ["log", "state"] and all(one["id"] == number for one in later)
    assert first["seq"] < later[0]["seq"] < later[1]["seq"]
    address = f"ws://127.0.0.1:{server.port}/api/v1/socket"  # the connection is lost, and another one opened
    with connect(address, compression=None, additional_headers=server.session.headers) as again:
        again.send(json.dumps({"type": "follow", "stream": 9, "id": number, "after": later[0]["seq"]}))
        assert job_event(again) == {**later[1], "stream": 9}


def test_all_jobs_are_followed_from_now_on_until_the_tab_ends_it(
    server: Server, tab: ClientConnection
) -> None:
    queue = Queue(LabFolder(server.state.runs).queue)
    queue.add("look", {})
    tab.send(json.dumps({"type": "follow", "stream": 1}))
    assert ask(tab, type="watch", net="digits")["type"] == "watching"  # what it asks is answered in order
    number = ""
    while not number:  # until the stream has begun
        number = queue.add("look", {})
        try:
            found = json.loads(tab.recv(0.5))
        except TimeoutError:
            number = ""
    assert found["stream"] == 1 and found["event"] == "state"
    tab.send(json.dumps({"type": "unfollow", "stream": 1}))
    tab.send(json.dumps({"type": "follow", "stream": 2, "id": "0" * 16, "after": 0}))
    while (found := job_event(tab))["stream"] == 1:
        pass
    assert found == {"type": "job", "stream": 2, "id": "0" * 16, "event": "gone"}
    for stream in range(64):
        tab.send(json.dumps({"type": "follow", "stream": 100 + stream, "id": number, "after": 2**62}))
    assert ask(tab, type="follow", stream=999, id=number, after=2**62)["type"] == "error"


def test_a_position_of_go_is_an_input(tab: ClientConnection) -> None:
    pytest.importorskip("numba", reason="the rules of Go are compiled by numba")
    watching = ask(tab, type="watch", net="go-9x9", layers=None)
    assert watching["type"] == "watching"
    tab.send(json.dumps({"type": "input", "seq": 1, "game": {"size": 9, "moves": ["E5", "C3"]}}))
    header, found = maps(tab)
    assert found["input"][2].shape[1:] == (9, 9)
    from convscope.worlds.go import Board

    net, board = nets.load("go-9x9"), Board(9)
    board.play("E5")
    board.play("C3")
    given = worlds.world_of(net.input_spec).open(board, net.input_spec).input[None]
    with torch.no_grad():
        expected = net(given)["policy"].flatten().softmax(0).tolist()
    assert header["probabilities"] == pytest.approx(expected, abs=1e-5)
    low, high, values = found["input"]
    shown = low[:, None, None] + values * (high - low)[:, None, None] / 255
    torch.testing.assert_close(shown, given[0], atol=0.01, rtol=0)
    tab.send(json.dumps({"type": "input", "seq": 2, "game": {"size": 9, "moves": ["E5", "E5"]}}))
    assert json.loads(tab.recv(WAIT))["type"] == "error"


def test_words_have_attributions(tab: ClientConnection) -> None:
    ask(tab, type="watch", net="questions")
    tab.send(json.dumps({"type": "input", "seq": 1, "text": "what is it"}))
    header, _ = maps(tab)
    found = ask(tab, type="word_attributions")
    assert found["type"] == "word_attributions" and len(found["pieces"]) == len(header["pieces"])
    net = nets.load("questions")
    image = worlds.open_sample(b"what is it", net.input_spec).input
    for target, name in ((None, "question"), (0, "statement")):
        found = ask(tab, type="word_attributions", target=target)
        exact = see.explain(net, image[None], "integrated", 1 if target is None else target).heatmap[0]
        assert found["target"] == name and found["seq"] == 1
        assert [piece["text"] for piece in found["pieces"]] == list("what is it")
        assert [piece["value"] for piece in found["pieces"]] == pytest.approx(exact.tolist(), abs=1e-4)
