"""One grammar: a verb about an input takes inputs first and `--net`; a verb about a network, the network."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from convscope import nets
from convscope.jobs import JOBS
from convscope.jobs.registry import load
from convscope.recipe import DEFAULT_NET, OnInput

FACTORS = ("--layer", "relu2", "--count", "2", "--steps", "1")
INPUT_VERBS: dict[str, tuple[str, ...]] = {
    "classify": (),
    "look": (),
    "explain": ("--method", "saliency", "--no-checks"),
    "caricature": ("--layer", "relu2", "--steps", "64"),
    "invert": ("--layer", "relu2", "--steps", "64"),
    "factors": FACTORS,
    "dream": ("--layer", "relu2", "--steps", "1", "--octaves", "1"),
    "style": ("--style", "b.png", "--steps", "0"),
}
"""Verb -> further words for a quick run."""
NETWORK_VERBS = ("describe", "train", "visualize", "unit", "units", "atlas", "embed")
RGB = ("style",)
"""Verbs that need a network of colour images."""


@pytest.fixture
def here(convscope, tmp_path: Path) -> Path:
    """A folder with two images, a folder of images, and a saved network."""
    from convscope.worlds.datasets import digits

    for number, name in enumerate(("a.png", "b.png")):
        pixels = digits.test().pixels([number])[0, 0].numpy()
        Image.fromarray(pixels).resize((32, 32)).save(tmp_path / name)
        (tmp_path / "classes" / name[0]).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "classes" / name[0] / name)
    (tmp_path / "folder/inner").mkdir(parents=True)
    for name in ("2.png", "10.png", "inner/1.png"):
        (tmp_path / "folder" / name).write_bytes((tmp_path / "a.png").read_bytes())
    (tmp_path / "folder/notes.txt").write_text("no image")
    nets.save(nets.load("digits"), tmp_path / "runs/mine")
    return tmp_path


def schema(verb: str) -> Any:
    return load(verb).schema


def test_every_verb_is_of_one_kind() -> None:
    takes_input = [verb for verb in JOBS if issubclass(schema(verb), OnInput)]
    takes_network = [verb for verb in JOBS if "net" in schema(verb).positional]
    assert set(takes_input) == set(INPUT_VERBS)
    assert {"describe", "visualize", "unit", "units", "atlas", "embed"} <= set(takes_network)
    for verb in INPUT_VERBS:
        assert "net" not in schema(verb).positional and len(schema(verb).positional) == 1, verb
    for verb in takes_network:
        assert schema(verb).positional[0] == "net", verb


def test_the_default_network() -> None:
    assert DEFAULT_NET == "efficientnet_lite0"
    for verb in INPUT_VERBS:
        expected = "hed-vgg16" if verb == "style" else DEFAULT_NET
        assert schema(verb).model_fields["net"].default == expected, verb


@pytest.mark.parametrize("verb", INPUT_VERBS)
def test_input_first_and_the_network_as_a_flag(convscope, here: Path, verb: str) -> None:
    net = () if verb in RGB else ("--net", "digits")
    out = () if verb == "classify" else ("--out", "made")
    done = convscope(verb, "a.png", *INPUT_VERBS[verb], *net, *out, "--json", "--quiet")
    assert done.code == 0, done.err
    recipe = done.json["recipe"]
    assert recipe["net"] == ("hed-vgg16" if verb in RGB else "digits")
    field = schema(verb).positional[0]
    assert recipe[field] == (["a.png"] if field == "images" else "a.png")
    command = schema(verb).parse(recipe).command()
    assert shlex.split(command)[1:3] == [verb, "a.png"]


@pytest.mark.parametrize("words", [("classify",), ("look", "--places", "blocks.0.0", "--no-filters")])
def test_without_a_network_the_default_looks_at_a_photograph(convscope, here: Path, words) -> None:
    done = convscope(*words, "a.png", "--out", "made", "--json", "--quiet")
    assert done.code == 0, done.err
    assert done.json["recipe"]["net"] == done.json["net"] == DEFAULT_NET


@pytest.mark.parametrize(
    "words",
    [
        ("describe", "digits"),
        ("visualize", "digits", "conv2:1", "--steps", "1"),
        ("units", "digits", "--data", "classes"),
        ("unit", "digits", "conv2:1", "--data", "classes", "--steps", "1"),
        ("atlas", "digits", "relu2", "--data", "digits", "--images", "64", "--layout", "pca", "--steps", "1"),
        ("embed", "digits", "relu2", "--data", "digits", "--images", "64", "--layout", "pca"),
        ("train", "mlp", "digits", "--epochs", "1", "--precision", "fp32"),
    ],
    ids=lambda words: words[0],
)
def test_network_first(convscope, here: Path, monkeypatch, words: tuple[str, ...]) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "cache"))
    out = () if words[0] == "units" else ("--out", "made")
    done = convscope(*words, *out, "--quiet", "--json")
    assert done.code == 0, done.err


OLD = [
    ("digits", '"digits", which is no file but the name of a network'),
    ("torchvision/resnet18", '"torchvision/resnet18", which is no file but the name of a network'),
    ("runs/mine", '"runs/mine", which is no input but the folder of a saved network'),
]


@pytest.mark.parametrize("verb", INPUT_VERBS)
@pytest.mark.parametrize(("network", "received"), OLD, ids=lambda v: v[:9])
def test_the_old_order_is_told_the_right_command(
    convscope, here: Path, verb: str, network: str, received: str
) -> None:
    flags = INPUT_VERBS[verb]
    done = convscope(verb, network, "a.png", *flags)
    assert done.code == 2 and done.out == ""
    assert received in done.err
    right = shlex.join(["convscope", verb, "a.png", "--net", network, *flags])
    assert f"next: Write: {right}\n" in done.err
    with_json = convscope(verb, network, "a.png", *flags, "--json")
    assert with_json.code == with_json.json["error"]["exit_code"] == 2
    assert with_json.json["error"]["received"] == received
    assert with_json.json["error"]["hint"] == f"Write: {right} --json"


@pytest.mark.parametrize("verb", ["classify", "look", "explain", "caricature", "invert", "factors"])
def test_the_command_of_the_hint_works(convscope, here: Path, verb: str) -> None:
    out = () if verb == "classify" else ("--out", "made")
    hint = convscope(verb, *INPUT_VERBS[verb], "runs/mine", "a.png", *out, "--json").json["error"]["hint"]
    assert convscope(*shlex.split(hint.removeprefix("Write: convscope "))).code == 0


@pytest.mark.parametrize(
    ("words", "right"),
    [
        (("classify", "digits"), "convscope classify photo.jpg --net digits"),
        (("explain", "digits"), "convscope explain photo.jpg --net digits"),
        (("dream", "hed-vgg16"), "convscope dream photo.jpg --net hed-vgg16"),
        (("look", "digits"), "convscope look --net digits"),
        (
            ("look", "digits", "--data", "digits", "--seed", "-1"),
            "convscope look --net digits --data digits --seed -1",
        ),
        (
            ("classify", "--top", "5", "digits", "a b.png", "b.png", "--seed=3"),
            "convscope classify 'a b.png' b.png --net digits --top 5 --seed=3",
        ),
        (("classify", "digits", "--", "-a.png"), "convscope classify --net digits -- -a.png"),
        (("classify", "--", "digits", "a.png"), "convscope classify a.png --net digits"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_the_hint_keeps_flags_and_quotes(convscope, words: tuple[str, ...], right: str) -> None:
    done = convscope(*words)
    assert done.code == 2 and done.err.endswith(f"next: Write: {right}\n")


def test_what_is_no_old_order_is_left_alone(convscope, here: Path) -> None:
    (here / "digits").mkdir()
    (here / "digits/1.png").write_bytes((here / "a.png").read_bytes())
    assert convscope("classify", "digits", "a.png", "--net", "digits").code == 0  # a folder of that name
    assert "--net" in convscope("classify", "lenet5", "--help").out
    assert "no file but" not in convscope("classify", "lenet5", "a.png", "--nett", "x").err
    missing = convscope("classify", "lenet", "a.png", "--json")
    assert missing.code == 3 and "error" in missing.json["answers"][0]
    (here / "lenet5").write_bytes((here / "a.png").read_bytes())
    assert convscope("classify", "lenet5", "--net", "digits").code == 0


def test_look_without_an_image(convscope, here: Path) -> None:
    shipped = convscope("look", "--net", "digits", "--out", "made", "--json")
    assert shipped.code == 0 and shipped.json["recipe"]["image"] is None
    alone = convscope("look")
    assert alone.code == 2 and "convscope look photo.jpg\n" in alone.err
    other = convscope("look", "--net", "hed-vgg16", "--no-filters")
    assert other.code == 2 and "convscope look photo.jpg --net hed-vgg16 --no-filters\n" in other.err


def test_classify_takes_files_and_folders(convscope, here: Path) -> None:
    done = convscope("classify", "b.png", "folder", "--net", "digits", "--json")
    assert done.code == 0, done.err
    assert done.json["recipe"]["images"] == ["b.png", "folder"]
    found = [answer["image"] for answer in done.json["answers"]]
    assert found == ["b.png", "folder/2.png", "folder/10.png", "folder/inner/1.png"]
    assert all(answer["top"] for answer in done.json["answers"])
    assert "In folder, left out as no images: 1 file: notes.txt." in done.err
    (here / "folder/broken.png").write_bytes((here / "a.png").read_bytes()[:60])
    broken = convscope("classify", "folder", "--net", "digits", "--json")
    assert broken.code == 3
    assert [answer["image"] for answer in broken.json["answers"] if "error" in answer] == [
        "folder/broken.png"
    ]


def test_a_folder_without_images_is_an_error(convscope, here: Path) -> None:
    (here / "nothing").mkdir()
    alone = convscope("classify", "nothing", "--net", "digits")
    assert alone.code == 3 and "images in the folder nothing" in alone.err
    mixed = convscope("classify", "a.png", "nothing", "--net", "digits", "--json")
    assert mixed.code == 3 and "error" in mixed.json["answers"][1] and mixed.json["answers"][0]["top"]
    network = convscope("classify", "a.png", "runs/mine", "--json")
    assert network.code == 2
    assert network.json["error"]["hint"] == "Write: convscope classify a.png --net runs/mine --json"


def test_new_results_replay(convscope, here: Path) -> None:
    made = convscope("classify", "folder", "--net", "digits", "--json")
    (here / "answer.json").write_text(made.out)
    again = convscope("replay", "answer.json", "--json")
    assert again.code == 0 and again.json["answers"] == made.json["answers"]
    convscope("look", "a.png", "--net", "digits", "--out", "seen")
    replayed = convscope("replay", "seen/look.png", "--json")
    assert replayed.code == 0 and replayed.json["replayed"]["same_picture"] is True


def test_a_file_of_settings_names_net_and_images(convscope, here: Path) -> None:
    (here / "recipe.toml").write_text('verb = "classify"\nnet = "digits"\nimages = ["a.png"]\n')
    done = convscope("classify", "--config", "recipe.toml", "--json")
    assert done.code == 0 and done.json["net"] == "digits"
    assert json.loads(done.out)["recipe"]["images"] == ["a.png"]
