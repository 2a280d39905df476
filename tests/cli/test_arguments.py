"""Arguments that are missing, too many, misplaced or misspelled are answered with the command that works."""

import re
import shlex
from pathlib import Path

import pytest

from convscope.cli.core.words import flags_of, verb_of
from convscope.jobs import JOBS
from convscope.jobs.registry import VERB_ALIASES, load
from convscope.see.attribution import registry


@pytest.fixture(autouse=True)
def here(convscope, tmp_path: Path) -> None:
    """Files that are never opened."""
    for name in ("cat.jpg", "wave.jpg", "tone.wav", "game.sgf"):
        (tmp_path / name).write_bytes(b"")
    for name in ("photographs", "pictures/a", "sounds/a", "texts/a"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "pictures" / "a" / "1.jpg").write_bytes(b"")
    (tmp_path / "sounds" / "a" / "1.wav").write_bytes(b"")
    (tmp_path / "texts" / "a" / "1.txt").write_bytes(b"")


NET = "efficientnet_lite0"
CASES = [
    ("dream", "expected dream with a picture first", "dream photo.jpg"),
    (f"dream {NET} cat.jpg", "expected dream with a picture first", f"dream cat.jpg --net {NET}"),
    (f"dream cat.jpg {NET}", f'also "{NET}"', f"dream cat.jpg --net {NET}"),
    ("dream cat.jpg resnet18", 'also "resnet18"', "dream cat.jpg --net torchvision/resnet18"),
    ("dream 3", '"3", a number,', "dream photo.jpg"),
    ("dream cat.jpg blocks.4 --steps 2", 'also "blocks.4"', "dream cat.jpg --layer blocks.4 --steps 2"),
    ("dream cat.jpg wave.jpg", "with a picture first, and no more", "dream cat.jpg"),
    ("explain cat.jpg goldfish", 'also "goldfish"', "explain cat.jpg --target goldfish"),
    ("explain cat.jpg rise --compare", 'also "rise"', "explain cat.jpg --method rise --compare"),
    ("style cat.jpg wave.jpg lbfgs", "also", "style cat.jpg --style wave.jpg --optimizer lbfgs"),
    ("style cat.jpg wave.jpg", 'also "wave.jpg"', "style cat.jpg --style wave.jpg"),
    ("style cat.jpg", "no painting", "style cat.jpg --style painting.jpg"),
    ("unit digits conv2:3", "with a data set as --data", "unit digits conv2:3 --data digits"),
    ("unit digits --data digits", "no unit", "unit digits output:3 --data digits"),
    ("unit digits conv2:3 photographs", 'also "photographs"', "unit digits conv2:3 --data photographs"),
    ("unit conv2:3 digits", "a network first, then a unit", "unit digits conv2:3 --data digits"),
    ("units digits", "no data set", "units digits --data digits"),
    ("visualize output:3 digits", "in the place of a network", "visualize digits output:3"),
    ("visualize cat.jpg output:3", '"cat.jpg", a picture,', f"visualize {NET} output:3"),
    ("visualize tone.wav output:3", '"tone.wav", a sound,', f"visualize {NET} output:3"),
    ("visualize game.sgf output:3", '"game.sgf", a Go position,', f"visualize {NET} output:3"),
    ("visualize digits", "no unit", "visualize digits output:3"),
    ("describe cat.jpg", "describe with a network first", f"describe {NET}"),
    ("train digits lecture-relu", "in the place of a data set", "train lecture-relu digits"),
    ("train lecture photographs --from digits", '"lecture", a network,', "train photographs --from digits"),
    ("train cat.jpg --from digits", '"cat.jpg", a picture,', "train digits --from digits"),
    ("data check", "with a folder of pictures first", "data check FOLDER"),
    ("dream cat.jpg --network digits", "Did you mean --net?", "dream cat.jpg --net digits"),
    ("dream cat.jpg --learning-rate=2", "Did you mean --lr?", "dream cat.jpg --lr 2"),
    ("dream --photo cat.jpg", "photo is an argument, without a flag", "dream cat.jpg"),
    ("train lecture-relu --data digits", "data is an argument", "train lecture-relu digits"),
    (
        "train --data digits --network lecture-relu --epochs 2",
        "data is an argument",
        "train lecture-relu digits --epochs 2",
    ),
    (
        "train --epochs 2 --network=lecture-relu digits",
        "network is an argument",
        "train lecture-relu digits --epochs 2",
    ),
    ("train pictures", '"pictures", a data set,', f"train pictures --from {NET}"),
    ("train pictures --epochs 2", "in the place of a network", f"train pictures --from {NET} --epochs 2"),
    ("train sounds", '"sounds", a data set,', "train sound-frequency sounds"),
    ("train texts", '"texts", a data set,', "train kim_cnn texts"),
    ("look cat.jpg --layer conv1", "an option of convscope look", "look cat.jpg --places conv1"),
    ("factors cat.jpg --groups 3", "an option of convscope factors", "factors cat.jpg --count 3"),
    ("style add wave.jpg", '"wave.jpg", a picture,', "style add stylebank photographs --style wave.jpg"),
    ("style add stylebank wave.jpg", "a picture,", "style add stylebank photographs --style wave.jpg"),
    ("style train wave.jpg", '"wave.jpg", a picture,', "style train photographs --style wave.jpg"),
    ("style train photographs", "no painting", "style train photographs --style painting.jpg"),
    ("describe resnet 50", "a name in 2 words", "describe torchvision/resnet50"),
    ("dream cat.jpg resnet 50", 'also "resnet"', "dream cat.jpg --net torchvision/resnet50"),
    ("describe a b", "in the place of a network, and also b", f"describe {NET}"),
    ("unit digitz conv2:3 conv2:4 --data digits", "also conv2:4", "unit digits conv2:3 --data digits"),
    ("play 3 4", "in the place of a network, and also 4", "play"),
    ("explain cat.jpg --target 3 4 5", 'also "4"', "explain cat.jpg --target 4 --target 5 --target 3"),
    ("explain cat.jpg --Compare", "Did you mean --compare?", "explain cat.jpg --compare"),
]


@pytest.mark.parametrize(("words", "said", "command"), CASES, ids=lambda v: v[:30])
def test_the_command_that_works(convscope, accepted, words: str, said: str, command: str) -> None:
    done = convscope(*shlex.split(words))
    assert done.code == 2 and done.out == ""
    assert said in done.err
    if command == "data check FOLDER":  # the example of the help
        command = done.err.rpartition("Write: convscope ")[2].strip()
    assert f"Write: convscope {command}\n" in done.err
    assert "schema" not in done.err
    again = shlex.split(command)
    verb = verb_of(again)
    assert verb and {word for word in again if word.startswith("--")} <= set(flags_of(verb))
    assert accepted(command)


@pytest.mark.parametrize(
    ("words", "never"),
    [
        ("style apply cat.jpg --model wave --seed 3", "--size"),
        ("style cat.jpg --style wave.jpg --layer relu1_1", "--style-layer?"),
        ("style cat.jpg --style wave.jpg --side 3", "--size?"),
        ("runs --seed 3", "Did you mean"),
    ],
)
def test_an_option_with_another_meaning_is_not_proposed(convscope, words: str, never: str) -> None:
    done = convscope(*shlex.split(words))
    assert done.code == 2 and "Did you mean" not in done.err and "Write:" not in done.err
    (hint,) = [line for line in done.err.splitlines() if "next:" in line]
    own = flags_of(verb_of(shlex.split(words)))
    assert all(flag in hint for flag in own) and "There are --" in hint
    assert never not in hint or never in own


def test_readme_says_which_verbs_take_a_device_and_a_seed() -> None:
    text = " ".join((Path(__file__).parents[2] / "README.md").read_text().split())
    found = re.search(
        r"Every verb takes (`[^`]*`)\. .*?`--device`: all but (.*?)\. .*?`--seed`: all but these and (.*?)\.",
        text,
    )
    assert found
    every = set(re.findall(r"--[a-z]+", found[1]))
    without, unseeded = (re.findall(r"`([a-z ]+)`", found[k]) for k in (2, 3))
    options = {verb: set(flags_of(verb)) for verb in JOBS}
    assert every and all(every <= have for have in options.values())
    assert {verb for verb, have in options.items() if "--device" not in have} == set(without)
    assert {verb for verb, have in options.items() if "--seed" not in have} == {*without, *unseeded}


@pytest.mark.parametrize("verb", JOBS)
def test_without_a_word_the_answer_is_a_command_from_the_help(convscope, accepted, verb: str) -> None:
    schema = load(verb).schema
    if not schema.missing({}):
        pytest.skip("it needs nothing")
    done = convscope(*verb.split())
    command = done.err.rpartition("Write: ")[2].strip()
    assert done.code == 2
    assert command in str(load(verb).__doc__)
    assert accepted(command.removeprefix("convscope "))


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Grad-CAM", "gradcam"),
        ("grad_cam", "gradcam"),
        ("GradCAM++", "gradcam++"),
        ("Grad CAM ++", "gradcam++"),
        ("integrated gradients", "integrated"),
        ("Integrated-Gradients", "integrated"),
        ("deconv", "deconvnet"),
        ("guided-backprop", "guided"),
        ("Score-CAM", "scorecam"),
        ("LRP", "lrp"),
        ("smooth_grad", "smoothgrad"),
        ("input x gradient", "inputxgradient"),
    ],
)
def test_the_papers_names_of_methods(convscope, written: str, name: str) -> None:
    done = convscope("explain", "cat.jpg", "--method", written)
    assert done.code == 2
    assert f"next: Did you mean {name}?" in done.err


@pytest.mark.parametrize(("written", "verb"), [("deep-dream", "dream"), ("Grad-CAM", "explain")])
def test_other_names_of_verbs(convscope, written: str, verb: str) -> None:
    assert f"Did you mean {verb}?" in convscope(written, "cat.jpg").err


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("describe", "ResNet-18"), "torchvision/resnet18"),
        (("describe", "EfficientNet-Lite0"), "efficientnet_lite0"),
        (("train", "mlp", "digits", "--optimizer", "AdamW"), "adamw"),
        (("train", "mlp", "digits", "--task", "Classification"), "classification"),
        (("train", "mlp", "MNIST"), "mnist"),
        (("visualize", "digits", "Conv-2:0"), "conv2"),
        (("dream", "cat.jpg", "--device", "gpu"), "cuda"),
    ],
)
def test_case_and_hyphens_do_not_count_anywhere(convscope, words: tuple[str, ...], name: str) -> None:
    done = convscope(*words)
    assert done.code == 2
    assert f"Did you mean {name}" in done.err


def test_other_words_lead_to_what_there_is() -> None:
    assert set(VERB_ALIASES.values()) <= set(JOBS)
    assert set(registry.METHOD_ALIASES.values()) <= set(registry.METHODS)
    assert not set(VERB_ALIASES) & set(JOBS)
