"""Every verb that takes photographs says, in the same words, how much of them the network sees."""

import html
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convscope.cli.core import app
from convscope.graph import TensorSpec, chain
from convscope.jobs import JOBS
from convscope.nets import build, load, save, wrap

SPEC = TensorSpec((3, 32, 32), kind="image", value_range=(0.0, 1.0))
WIDE = "The network sees 50% of the picture, which is cropped: cut off are 25% at the left and as much"
SEVERAL = "{} of the {} pictures are cropped: the network sees 50% of them."
TRAIN = SEVERAL.format(8, 16)
RESIZED = (
    "Each of the 16 pictures is cropped: the network sees 37% – 75% of it."  # (32 / 37)^2, and half of it
)
ONCE = ("--steps", "1")
GRID = ("--layout", "pca", "--grid", "2", "--min-count", "1", "--images", "16")

CROPPED = {
    "classify": (("wide.png", "--net", "net"), WIDE, None),
    "look": (("wide.png", "--net", "net"), WIDE, "look.html"),
    "explain": (("wide.png", "--net", "net", "--compare", "--method", "gradcam"), WIDE, "index.html"),
    "factors": (("wide.png", "--net", "net", "--layer", "relu1", "--count", "2", *ONCE), WIDE, None),
    "caricature": (("wide.png", "--net", "net", "--layer", "relu1", *ONCE), WIDE, None),
    "invert": (("wide.png", "--net", "net", "--layer", "relu1", *ONCE), WIDE, None),
    "units": (("net", "--data", "photos"), TRAIN, "units.html"),
    "unit": (("net", "conv1:0", "--data", "photos", "--top-k", "2", *ONCE), TRAIN, "unit.html"),
    "atlas": (
        ("net", "relu1", "--data", "photos", "--split", "train", "--per-image", "4", *GRID, *ONCE),
        TRAIN,
        "atlas.html",
    ),
    "embed": (("net", "relu1", "--data", "photos", "--images", "16", "--layout", "pca"), TRAIN, None),
    "train": (
        ("conv 4 3x3, relu, flatten, dense 2", "photos", "--size", "32", "--epochs", "1"),
        RESIZED,
        "report.html",
    ),
}
"""Verb -> its words, what it says, and its page, if it writes one."""
WHOLE = {
    "dream": "the picture keeps its size",
    "style": "content and paintings keep their proportions",
    "style apply": "the picture keeps its size",
}
"""Verbs that read photographs whole."""
NOTHING = {
    "visualize": "--spectrum takes the mean spectrum of photographs' centres; no network looks at them",
    "style train": "learns from parts of photographs, drawn anew in each step",
    "style add": "learns from parts of photographs, drawn anew in each step",
    "data check": "looks for damaged files; there is no network",
    "lab": "runs the other verbs",
    "replay": "runs the other verbs",
    **dict.fromkeys(
        (
            "tour",
            "nets",
            "describe",
            "recipes",
            "runs",
            "runs prune",
            "export",
            "push",
            "play",
            "gtp",
            "doctor",
        ),
        "takes none",
    ),
}
"""Verbs that show no network a photograph of the user, and why."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of 32 x 32 pixels, a wide photograph, and a folder of which half are wide."""
    folder = tmp_path_factory.mktemp("cropped")
    torch.manual_seed(0)
    made = build(chain(SPEC.shape, "conv 4 3x3, relu, globalavgpool, dense 2"), seed=0)
    save(wrap(made.eval(), SPEC), folder / "net")
    rng = np.random.default_rng(0)

    def photo(path: Path, width: int, height: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(path)

    photo(folder / "wide.png", 80, 40)
    photo(folder / "square.png", 40, 40)
    for part in ("train", "test"):
        for name in "ab":
            for k in range(8):
                photo(folder / "photos" / part / name / f"{k}.png", *((80, 40) if k % 2 else (40, 40)))
    return folder


@pytest.fixture
def told(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))

    def run(verb: str, *words: str) -> tuple[dict, str]:
        """Return the document of a verb, and what the terminal shows."""
        found = []
        for form in ("--json", "table"):
            out = () if verb == "classify" else ("--out", str(tmp_path / form))
            capsys.readouterr()
            code = app.run([*verb.split(), *words, *out, *([form] if form == "--json" else [])])
            shown, errors = capsys.readouterr()
            assert code in (0, 1), shown + errors  # a reconstruction of one step fails, and says so
            found.append(shown)
        return json.loads(found[0]), found[1]

    return run


def test_every_verb_is_known_to_this_test():
    """A new verb has to say what it does with photographs."""
    assert CROPPED.keys() | WHOLE.keys() | NOTHING.keys() == JOBS.keys()
    assert len(CROPPED) + len(WHOLE) + len(NOTHING) == len(JOBS)


def visible(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page))


@pytest.mark.parametrize("verb", CROPPED)
def test_it_is_said_in_the_document_the_terminal_and_on_the_page(told, verb):
    words, wanted, page = CROPPED[verb]
    document, shown = told(verb, *words)
    said = [line for line in document["said"] if line.startswith(wanted)]
    (chinese,) = (line for line in document["said_zh"] if "裁剪" in line)
    assert len(said) == 1
    assert re.findall(r"\d+%", said[0])[:2] == re.findall(r"\d+%", chinese)[:2]
    assert said[0] in " ".join(shown.split())
    if page is not None:
        text = visible((Path(document["out"]) / page).read_text(encoding="utf-8"))
        assert said[0] in text and chinese in text


@pytest.mark.parametrize("verb", [verb for verb in CROPPED if "wide.png" in CROPPED[verb][0]])
def test_nothing_is_said_of_a_square_photograph(told, verb):
    words = ["square.png" if word == "wide.png" else word for word in CROPPED[verb][0]]
    document, shown = told(verb, *words)
    assert not [line for line in document["said"] if "cropped" in line] and "cropped" not in shown


def test_of_several_files_the_cropped_ones_are_counted(told):
    document, shown = told("classify", "wide.png", "square.png", "photos/test", "--net", "net")
    assert document["said"] == [SEVERAL.format(9, 18)] and SEVERAL.format(9, 18) in shown


def test_a_dream_keeps_all_of_a_photograph(told):
    words = ("wide.png", "--net", "net", "--layer", "conv1", "--octaves", "1", "--size", "80", "--untrained")
    document, _ = told("dream", *words, "--steps", "1")
    assert document["size"] == [40, 80] and load("net").input_spec.size == (32, 32)
