"""Whatever is wrong, every verb answers with the right exit code, a next step, and nothing half-written."""

import json
import os
import random
import re
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from convscope.jobs import JOBS

pytestmark = pytest.mark.slow

SOUND = {
    "lab": ["--no-browser", "--port", "0"],
    "tour": [],
    "nets": ["resnet18"],
    "describe": ["lecture"],
    "train": ["mlp", "digits", "--epochs", "1"],
    "export": ["lecture", "--format", "torch-export"],
    "push": ["lecture", "anna/small"],  # fresh weights are refused, so that nothing is ever sent from here
    "recipes": ["lenet5"],
    "runs": ["pictures"],
    "runs prune": ["pictures"],
    "classify": ["picture.png", "--net", "lecture"],
    "look": ["picture.png", "--net", "lecture"],
    "visualize": ["lecture", "conv1:0", "--steps", "2"],
    "explain": ["picture.png", "--net", "lecture"],
    "units": ["lecture", "--data", "digits"],
    "unit": ["lecture", "conv1:0", "--data", "digits", "--steps", "2"],
    "atlas": ["lecture", "conv2", "--data", "digits", "--layout", "pca", "--steps", "2"],
    "embed": ["lecture", "conv2", "--data", "digits", "--layout", "pca", "--images", "20"],
    "factors": ["picture.png", "--net", "lecture", "--layer", "conv2", "--steps", "2"],
    "caricature": ["picture.png", "--net", "lecture", "--layer", "conv2", "--steps", "64"],
    "invert": ["picture.png", "--net", "lecture", "--layer", "conv2", "--steps", "64"],
    "style": ["photo.png", "--style", "photo.png", "--steps", "2"],
    "style train": ["pictures", "--style", "photo.png", "--epochs", "1"],
    "style add": ["stylebank", "pictures", "--style", "photo.png", "--epochs", "1"],
    "style apply": ["photo.png", "--style", "wave"],
    "dream": ["photo.png", "--steps", "1"],
    "play": ["uniform", "--size", "5"],
    "gtp": ["--net", "uniform", "--size", "5"],
    "data check": ["pictures"],
    "replay": ["sound.json"],
    "doctor": [],
}
"""Words that are right; each case spoils something."""

BAD_IMAGES = [
    "nowhere.png",
    "pictures",
    "empty.png",
    "truncated.png",
    "text.png",
    "noise.png",
    "bomb.png",
    "\0",
    "",
]
BAD_NETWORKS = [
    "lectur",
    "torchvision/resnet999",
    "timm/nothing",
    "pictures",
    "nowhere/at/all",
    "text.png",
    "torchvision/",
    "timm/resnet18.nothing",
    "",
    "/",
    "../..",
    "broken_model",
]
BAD_PLACES = [
    "conv9",
    "conv1:25",
    "conv1:-1",
    "conv1:x",
    "conv1:0@99,99",
    "conv1#7",
    "conv1[key]",
    ":",
    "@",
    "",
    "conv1:0@",
    "output:eleven",
    "relu1:0@1,1,1",
    "conv1::",
    "conv1:5-3",
]

LOOKING: dict[str, list[str]] = {
    "units": ["lecture", "--data", "digits"],
    "unit": ["lecture", "conv1:0", "--data", "digits"],
    "atlas": ["lecture", "conv2", "--data", "digits"],
    "embed": ["lecture", "conv2", "--data", "digits"],
}
"""Verbs whose first word is a network, and that look at data."""

CASES: list[tuple[str, list[str], set[int]]] = [
    *(("describe", [net], {2, 3, 4}) for net in BAD_NETWORKS),
    *(
        ("describe", ["lecture", "--input", size], {2})
        for size in ("0x1", "x", "1x28", "1x2x2", "-1", "1x28x28x28", "9" * 30)
    ),
    *(("nets", [word], {2}) for word in ("", "no such network", "\0")),
    *(
        ("classify", [image, "--net", "lecture"], {2, 3})
        for image in ("empty", *BAD_IMAGES)
        if image != "pictures"  # a folder of images is classified
    ),
    *(
        (verb, [image, "--net", "lecture", *layer], {2, 3})
        for verb, layer in (
            ("look", []),
            ("factors", ["--layer", "conv2"]),
            ("caricature", []),
            ("invert", []),
        )
        for image in BAD_IMAGES
    ),
    *(
        (verb, ["picture.png", "--net", net, *layer], {2, 3, 4})
        for verb, layer in (
            ("classify", []),
            ("look", []),
            ("factors", ["--layer", "conv2"]),
            ("caricature", []),
            ("invert", []),
        )
        for net in BAD_NETWORKS
    ),
    *(("visualize", [net, "conv1:0"], {2, 3, 4}) for net in BAD_NETWORKS),
    *(("visualize", ["lecture", place], {2}) for place in BAD_PLACES),
    *(("visualize", ["lecture", "conv1:0", "--steps", steps], {2}) for steps in ("-1", "x", "1.5", "nan")),
    *(
        ("explain", ["photo.png", "--net", "efficientnet_lite0", "--box", box], {2})
        for box in ("1,2,3", "nan,1,2,3", "5,5,1,1", "9999,9999,99999,99999", "-9,-9,-1,-1", "1,2,x,4", "")
    ),
    *(
        (verb, ["nan", *words[1:]], {3})
        for verb, words in (
            ("visualize", ["", "conv1:0"]),
            ("atlas", ["", "conv1", "--data", "digits", "--layout", "pca"]),
            ("embed", ["", "conv1", "--data", "digits", "--layout", "pca"]),
            ("units", ["", "--data", "digits"]),
            ("unit", ["", "conv1:0", "--data", "digits"]),
        )
    ),
    ("look", ["picture.png", "--net", "nan"], {3}),
    *((verb, [net, *words[1:]], {2, 3, 4}) for verb, words in LOOKING.items() for net in BAD_NETWORKS),
    *(
        (verb, words, {2, 3})
        for image in BAD_IMAGES
        for verb, words in (
            ("style", [image, "--style", "photo.png"]),
            ("style", ["photo.png", "--style", image]),
            ("style apply", [image]),
            ("dream", [image]),
        )
    ),
    *(("style", ["photo.png", "--style", "photo.png", "--net", net], {2, 3, 4}) for net in BAD_NETWORKS),
    *(("dream", ["photo.png", "--net", net], {2, 3, 4}) for net in BAD_NETWORKS),
    *(("style apply", ["photo.png", "--model", net], {2, 3, 4}) for net in BAD_NETWORKS),
    *(("dream", ["photo.png", "--memory", amount], {1, 2}) for amount in ("1KB", "x", "-1GB")),
    *(("explain", ["picture.png", "--net", net], {2, 3, 4}) for net in BAD_NETWORKS),
    *(("explain", [image, "--net", "lecture"], {2, 3}) for image in BAD_IMAGES),
    *(("explain", ["picture.png", "--net", "lecture", "--target", place], {2}) for place in BAD_PLACES[:8]),
    *(
        ("explain", ["picture.png", "--net", "lecture", "--method", name], {2})
        for name in ("gradcamm", "", "*")
    ),
    *(("unit", ["lecture", place, "--data", "digits"], {2}) for place in BAD_PLACES),
    *(("atlas", ["lecture", place, "--data", "digits"], {2}) for place in BAD_PLACES if place != "conv1:25"),
    *(("embed", ["lecture", place, "--data", "digits"], {2}) for place in BAD_PLACES if place != "conv1:25"),
    *(
        (verb, [*LOOKING[verb][:-2], "--data", data], {2, 3, 4})
        for verb in ("units", "unit", "atlas", "embed")
        for data in ("nowhere", "text.png", "empty", "broken", "", "\0")
    ),
    *(("train", [net], {2, 3, 4}) for net in BAD_NETWORKS),
    *(
        ("train", ["mlp", data], {2, 3, 4})
        for data in ("nowhere", "mnist", "text.png", "empty", "broken", "./nowhere", "", "\0")
    ),
    *(
        ("train", ["mlp", "digits", flag, value], {2})
        for flag, value in (
            ("--epochs", "0"),
            ("--epochs", "-3"),
            ("--epochs", "many"),
            ("--batch", "0"),
            ("--lr", "-1"),
            ("--lr", "nan"),
            ("--lr", "0"),
            ("--momentum", "1"),
            ("--optimizer", "adamm"),
            ("--schedule", "x"),
            ("--augment", "flop"),
        )
    ),
    ("train", ["--resume", "nowhere"], {2, 3, 4}),
    ("train", ["--resume", "text.png"], {2, 3, 4}),
    ("train", ["efficientnet_lite0", "digits", "--epochs", "1"], {2}),
    *(("data check", [folder], {2, 3}) for folder in ("nowhere", "text.png", "", "\0")),
    *(
        ("replay", [file], {2, 3})
        for file in (
            *BAD_IMAGES,
            "picture.png",
            "odd.png",
            "evil.json",
            "deep.json",
            "list.json",
            "other.json",
            "unknown.toml",
            "bad.toml",
            "loop.json",
        )
    ),
    *(
        ("tour", [flag, value], {2})
        for flag, value in (("--epochs", "0"), ("--steps", "x"), ("--digit", "10"))
    ),
    *((verb, [*words, "--device", "gpu"], {2}) for verb, words in SOUND.items()),
    *((verb, [*words, "--seed", "-1"], {2}) for verb, words in SOUND.items()),
    *((verb, [*words, "--no-such-flag"], {2}) for verb, words in SOUND.items()),
    *(
        (verb, [*words, "--config", file], {2, 3})
        for verb, words in SOUND.items()
        for file in ("nowhere.toml", "pictures", "noise.png", "bad.toml", "unknown.toml", "types.toml")
    ),
    *(
        (verb, [*words, "--out", out], {2})
        for verb, words in SOUND.items()
        for out in ("text.png", "full", "text.png/below", "\0")
    ),
    *(
        (verb, [*words, "a", "b", "c", "d:1:2@x"], {2, 3})
        for verb, words in SOUND.items()
        if verb not in ("classify", "factors")  # which take any number of pictures
    ),
]


@pytest.fixture(scope="module")
def junk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder full of everything that can be wrong, and some things that are right."""
    import torch

    from convscope import nets
    from convscope.show.images import png

    root = tmp_path_factory.mktemp("junk")
    digit = Image.radial_gradient("L").resize((28, 28))
    digit.save(root / "picture.png")
    digit.convert("RGB").save(root / "photo.png")
    broken = nets.load("mlp")
    with torch.no_grad():
        next(iter(broken.module.parameters())).fill_(float("nan"))
    nets.save(broken, root / "nan")
    for name in ("a", "b"):
        (root / "pictures" / name).mkdir(parents=True)
        digit.rotate(90 * (name == "a")).crop((0, 0, 20, 28)).save(root / "pictures" / name / "1.png")
    (root / "broken/a").mkdir(parents=True)
    (root / "broken/a/1.png").write_bytes(b"not a picture")
    (root / "broken_model").mkdir()
    (root / "broken_model/model.json").write_text("{")
    (root / "empty").mkdir()
    (root / "full").mkdir()
    (root / "full/kept").write_text("kept")
    (root / "empty.png").write_bytes(b"")
    (root / "text.png").write_text("not a picture")
    (root / "noise.png").write_bytes(random.Random(0).randbytes(4000))
    whole = (root / "picture.png").read_bytes()
    (root / "truncated.png").write_bytes(whole[: len(whole) // 2])
    (root / "bomb.png").write_bytes(bomb())
    png.save(digit, root / "odd.png", {"verb": "visualize", "network": 7, "places": {}})
    documents = {
        "sound.json": {"verb": "nets", "recipe": {"word": "resnet18"}},
        "evil.json": {"verb": "../../evil", "recipe": {}},
        "other.json": {"verb": "describe", "recipe": {"network": "lecture", "colour": "red"}},
        "loop.json": {"verb": "replay", "recipe": {"file": "loop.json"}},
        "list.json": [1, 2],
    }
    for name, document in documents.items():
        (root / name).write_text(json.dumps(document))
    (root / "deep.json").write_text("[" * 100_000)
    (root / "bad.toml").write_bytes(b"\xff\xfe[[")
    (root / "unknown.toml").write_text("colour = 'red'\n")
    (root / "types.toml").write_text("seed = ['x']\ndevice = 3\n")
    return root


def bomb() -> bytes:
    """A PNG that says it is 60,000 pixels wide and high."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100_000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def contents(root: Path) -> dict[str, tuple[int, int]]:
    found = ((Path(folder) / name) for folder, folders, files in os.walk(root) for name in folders + files)
    return {
        str(p): (p.stat().st_mtime_ns if p.is_file() else 0, p.stat().st_size if p.is_file() else 0)
        for p in found
    }


def verify_refused(done, codes: set[int]) -> None:
    assert done.code in codes, (done.code, done.err)
    assert done.err.startswith("error: "), done.err
    assert "\n  next: " in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(("verb", "words", "codes"), CASES, ids=lambda v: repr(v)[:60])
def test_bad_input_is_refused_with_a_next_step(
    convscope, accepted, monkeypatch, junk, verb, words, codes
) -> None:
    monkeypatch.chdir(junk)
    before = contents(junk)
    done = convscope(*verb.split(), *words, "--quiet")
    verify_refused(done, codes)
    for command in re.findall(r"Write: convscope (.*?)(?: with one of the layers .*)?$", done.err, re.M):
        assert accepted(command), command
    for command in re.findall(r"See: convscope (.*--help)$", done.err, re.M):
        assert convscope(*command.split()).code == 0, command
    assert contents(junk) == before, "something was written, or overwritten"


@pytest.mark.parametrize("verb", JOBS)
def test_an_error_with_json_is_one_document(convscope, monkeypatch, junk, verb: str) -> None:
    monkeypatch.chdir(junk)
    done = convscope(*verb.split(), *SOUND[verb], "--seed", "x", "--json")
    assert done.json["error"]["exit_code"] == done.code == 2
    assert "seed" in done.json["error"]["received"]


def test_a_folder_that_cannot_be_written_to_is_refused(convscope, monkeypatch, junk, tmp_path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    monkeypatch.chdir(junk)
    for verb, words in SOUND.items():
        verify_refused(convscope(*verb.split(), *words, "--out", locked / "x"), {2})


WORDS = st.sampled_from(
    [
        "lecture",
        "digits",
        "lenet5",
        "mlp",
        "conv1:0",
        "conv1",
        "output:3",
        "picture.png",
        "text.png",
        "pictures",
        "sound.json",
        "--net",
        "--json",
        "--quiet",
        "--seed",
        "--out",
        "--config",
        "types.toml",
        "--device",
        "cpu",
        "mps",
        "cuda",
        "--input",
        "1x28x28",
        "1x9x9",
        "--",
        "-",
        "-x",
        "99999999",
        "-1",
        "0",
        "1e400",
        "nan",
        "ä",
        "\ud800",
        "x" * 5000,
        "--help",
        "\n",
        "%s",
        "[bold]",
        "${HOME}",
        "~",
        "*",
    ]
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("verb", ["nets", "describe", "classify", "look", "data check", "replay"])
@given(words=st.lists(WORDS, max_size=4))
@example(words=["x" * 5000])
def test_no_words_make_it_stumble(convscope, monkeypatch, junk, verb: str, words: list[str]) -> None:
    monkeypatch.chdir(junk)
    done = convscope(*verb.split(), *words, "--quiet")
    assert done.code in {0, 2, 3, 4}, done.err
    assert "Traceback" not in done.err
    assert "fault:" not in done.err
