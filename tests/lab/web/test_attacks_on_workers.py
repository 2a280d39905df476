"""Attacks that reach a worker: addresses, files that are not what they say, sizes, text, pickles."""

import io
import json
import pickle
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import torch
from PIL import Image
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from convscope import nets
from convscope.graph import TensorSpec, chain

SCRIPT = "<script>alert(1)</script>"


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = str(place)

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        import os

        return os.mkdir, (self.place,)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs: one whose labels are hostile, two whose weights are no weights, a link to another."""
    folder = tmp_path_factory.mktemp("runs")
    graph = chain("1x12x12", "conv 2 3x3, relu, flatten, dense 2")
    spec = TensorSpec((1, 12, 12))
    for name in ("hostile", "pickled", "endless"):
        nets.save(nets.wrap(nets.build(graph), spec, [SCRIPT, "b"], name="net"), folder / name)
    (weights,) = (folder / "pickled").glob("*.safetensors")
    weights.write_bytes(pickle.dumps(Payload(folder / "executed")))
    (weights,) = (folder / "endless").glob("*.safetensors")
    weights.write_bytes(struct.pack("<Q", 2**63) + b"{}")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    nets.save(nets.wrap(nets.build(graph), spec, ["secret", "b"], name="net"), elsewhere / "net")
    (folder / "linked").symlink_to(elsewhere / "net")
    return folder


@pytest.fixture(scope="module")
def client(serve, runs: Path):
    started = serve({"live": "convscope.lab.workers.live"}, runs)
    while not started("GET", "/api/v1/status").json["torch_ready"]:
        time.sleep(0.1)
    return started


@pytest.fixture
def listening() -> Iterator[tuple[str, list[str]]]:
    """An address of this machine that notes who asks for it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_words: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/x.png", asked
    server.shutdown()
    server.server_close()


def test_9_10_networks_are_names_and_no_addresses_or_paths(client, runs: Path, listening) -> None:
    address, asked = listening
    names = ["file:~~~etc~passwd", "http:~~169.254.169.254~", address.replace("/", "~"), "~etc~passwd"]
    names += ["..~..~etc", "run:..", "run:..~runs~hostile", "run:.lab", "run:nowhere", "hf:a~b"]
    names.append(str(runs / "hostile"))
    for name in names:
        found = client("GET", f"/api/v1/networks/{name.replace('/', '%2F').replace('?', '%3F')}")
        assert found.status in (404, 422), (name, found.body)
    linked = client("GET", "/api/v1/networks/run:linked")
    assert linked.status in (404, 422) and b"secret" not in linked.body
    assert asked == []


def test_10_addresses_in_a_job_are_refused(client, listening) -> None:
    address, asked = listening
    for settings in (
        {"net": address, "images": ["digits"]},
        {"net": "digits", "images": [address]},
        {"net": "digits", "images": ["file:///etc/passwd"]},
        {"net": "digits", "images": ["/etc/passwd"]},
        {"net": "digits", "weights": address, "images": ["digits"]},
    ):
        found = client("POST", "/api/v1/jobs", {"verb": "classify", "settings": settings})
        assert found.status == 422, settings
        assert found.json["error"]["expected"]
    found = client("POST", "/api/v1/jobs", {"verb": "train", "settings": {"net": "mlp", "data": address}})
    assert found.status == 422
    assert asked == []


def png(image: Image.Image) -> bytes:
    kept = io.BytesIO()
    image.save(kept, "PNG")
    return kept.getvalue()


def kept(client, data: bytes, name: str) -> str:
    return client("PUT", "/api/v1/uploads", data, x_filename=name).json["id"]


def test_11_a_preview_is_encoded_anew_and_documents_have_none(client) -> None:
    polyglot = png(Image.effect_noise((64, 48), 50)) + SCRIPT.encode()
    found = client("GET", f"/api/v1/uploads/{kept(client, polyglot, 'a.png')}/preview")
    assert (found.status, found.headers["content-type"]) == (200, "image/png")
    assert SCRIPT.encode() not in found.body
    width, height = Image.open(io.BytesIO(found.body)).size
    assert width * 48 == height * 64
    for name in ("a.svg", "a.html", "a.png"):
        document = f'<svg xmlns="http://www.w3.org/2000/svg">{SCRIPT}</svg>'.encode()
        found = client("GET", f"/api/v1/uploads/{kept(client, document + name.encode(), name)}/preview")
        assert SCRIPT.encode() not in found.body or found.headers["content-type"] == "application/json"
        assert not found.headers["content-type"].startswith(("image/svg", "text/html"))


def bomb(width: int, height: int) -> bytes:
    """A small PNG that says it is enormous."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 10_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_12_a_small_file_of_an_enormous_picture_is_refused(client) -> None:
    started = time.monotonic()
    for data in (bomb(50_000, 50_000), bomb(2**31 - 1, 2**31 - 1), bomb(12_000, 12_000)):
        found = client("POST", "/api/v1/networks/efficientnet_lite0/classify", data)
        assert found.status == 422, found.body
        found = client("GET", f"/api/v1/uploads/{kept(client, data, 'bomb.png')}/preview")
        assert found.status == 422, found.body
    assert time.monotonic() - started < 60
    assert client("GET", "/api/v1/networks/digits").status == 200, "the worker lives"


def test_12_a_message_that_is_too_large_closes_the_socket(client) -> None:
    address = f"ws://127.0.0.1:{client.server.port}/api/v1/socket"
    with connect(address, additional_headers=client.server.session.headers, compression=None) as tab:
        assert not tab.protocol.extensions, "messages are not compressed"
        tab.send(b"\0" * (2**20 + 1))
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                tab.recv(30)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009


def test_13_hostile_labels_are_text(client) -> None:
    found = client("GET", "/api/v1/networks/run:hostile")
    assert found.headers["content-type"] == "application/json"
    assert found.json["spec"]["classes"][0] == SCRIPT
    picture = png(Image.new("L", (12, 12), 90))
    answer = client("POST", "/api/v1/networks/run:hostile/classify", picture)
    assert answer.headers["content-type"] == "application/json"
    assert SCRIPT in {entry["label"] for entry in answer.json["top"]}


@pytest.mark.parametrize("name", ["pickled", "endless"])
def test_14_weights_that_are_no_weights_are_refused_and_nothing_is_executed(client, runs, name: str) -> None:
    found = client("GET", f"/api/v1/networks/run:{name}")
    assert found.status == 422, found.body
    assert found.json["error"]["expected"]
    assert not (runs / "executed").exists()


def test_14_a_pickle_as_a_picture_is_refused(client, runs: Path) -> None:
    data = pickle.dumps(Payload(runs / "executed"))
    for net in ("digits", "efficientnet_lite0"):
        assert client("POST", f"/api/v1/networks/{net}/classify", data).status == 422
    array = io.BytesIO()
    torch.save({"a": torch.zeros(3)}, array)
    assert client("POST", "/api/v1/networks/digits/classify", array.getvalue()).status == 422
    assert not (runs / "executed").exists()


def test_a_file_is_classified_as_python_classifies_it(client) -> None:
    from convscope import use
    from convscope.worlds.datasets import digits

    picture = png(Image.fromarray(digits.test().pixels([0])[0, 0].numpy()))
    found = client("POST", "/api/v1/networks/digits/classify?top=3", picture)
    assert found.status == 200, found.body
    expected = use.classify("digits", picture, 3)
    assert [entry["label"] for entry in found.json["top"]] == list(expected.labels)
    values = [entry["probability"] for entry in found.json["top"]]
    assert values == pytest.approx(list(expected.probabilities), rel=1e-5)
    upload = kept(client, picture, "digit.png")
    again = client("POST", f"/api/v1/networks/digits/classify?top=3&upload={upload}")
    assert again.json["top"] == found.json["top"]
    for body, query in ((b"", ""), (b"", f"?upload={'0' * 64}"), (b"no picture", "")):
        refused = client("POST", f"/api/v1/networks/digits/classify{query}", body)
        assert refused.status in (404, 422) and refused.json["error"]["hint"], json.dumps(refused.json)


def test_the_program_that_is_shown_runs(client, tmp_path: Path, monkeypatch, capsys) -> None:
    from convscope.worlds.datasets import digits

    shown = client("GET", "/api/v1/networks/digits/classify").json["python"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVSCOPE_TOKEN", client.server.session.token)
    samples = digits.test()
    (tmp_path / "photo.jpg").write_bytes(png(Image.fromarray(samples.pixels([0])[0, 0].numpy())))
    exec(compile(shown, "snippet", "exec"), {})
    assert samples.classes[int(samples.labels[0])] in capsys.readouterr().out.split()
