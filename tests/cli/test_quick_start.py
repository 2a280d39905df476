"""What a verb with one photograph does not import: timm, torchvision, torch's compiler."""

import json
import subprocess
import sys

import pytest
from PIL import Image

NET = "efficientnet_lite0"
VERBS = {
    "look": ("look", "photo.png", "--places", "blocks.1.0"),
    "explain": ("explain", "photo.png"),
    "dream": ("dream", "photo.png", "--steps", "1", "--octaves", "1"),
    "caricature": ("caricature", "photo.png", "--steps", "1"),
    "invert": ("invert", "photo.png", "--layer", "blocks.1", "--steps", "1"),
    "factors": ("factors", "photo.png", "--layer", "blocks.4", "--count", "2"),
    "style": ("style", "photo.png", "--net", NET, "--style", "photo.png", "--steps", "1", "--size", "64"),
    "visualize": ("visualize", NET, "conv_stem:3", "--steps", "0"),
    "describe": ("describe", NET),
}
CODE = """
import json, sys
import torch
torchs = set(sys.modules)
from convscope.cli.core.app import run
code = run(json.loads(sys.argv[1]))
print(json.dumps({"code": code, "new": sorted(set(sys.modules) - torchs)}))
"""


def imported(folder, words):
    """The modules that a verb imports beside those of `import torch`, in a process of its own."""
    Image.effect_noise((80, 64), 90).convert("RGB").save(folder / "photo.png")
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps([*words, "--quiet"])],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["code"] == 0, done.stderr
    return {name for name in found["new"] if name in ("timm", "torchvision", "torch._dynamo", "sympy")}


@pytest.mark.parametrize(
    "words",
    [
        ("classify", "photo.png"),
        ("style", "apply", "photo.png", "--style", "wave", "--precision", "fp32"),
        ("train", "lecture-relu", "digits", "--optimizer", "muon", "--epochs", "1", "--samples", "200"),
    ],
    ids=lambda words: words[0],
)
def test_neither_library_nor_compiler_is_imported(tmp_path, words):
    assert imported(tmp_path, words) == set()


@pytest.mark.exhaustive
@pytest.mark.parametrize("verb", VERBS)
def test_verbs_import_neither_library(tmp_path, verb):
    assert not imported(tmp_path, VERBS[verb]) & {"timm", "torchvision"}


@pytest.mark.exhaustive
@pytest.mark.parametrize("verb", ["look", "explain", "dream"])
def test_verbs_do_not_import_the_compiler(tmp_path, verb):
    assert imported(tmp_path, VERBS[verb]) == set()
