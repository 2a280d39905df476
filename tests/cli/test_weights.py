from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import convscope as cs


@pytest.fixture
def other_weights(tmp_path: Path) -> Path:
    """Weights for `digits` that always answer 4."""
    state = {name: torch.zeros_like(value) for name, value in cs.load("digits").module.state_dict().items()}
    state["dense2.bias"] = torch.eye(10)[4] * 9
    save_file(state, tmp_path / "other.safetensors")
    return tmp_path / "other.safetensors"


def drawn(folder: Path) -> Path:
    digit = cs.worlds.digits.test().pixels([0])[0]
    path = folder / "digit.png"
    cs.worlds.photos.to_pil(digit / 255, cs.load("digits").input_spec).save(path)
    return path


def answers(done) -> list[str]:
    return [top["label"] for picture in done.json["answers"] for top in picture["top"]]


def test_a_file_of_weights_is_what_answers(convscope, other_weights, tmp_path):
    done = convscope("classify", drawn(tmp_path), "--net", "digits", "--weights", other_weights, "--json")
    assert done.code == 0
    assert answers(done)[0] == "4"


def test_packaged_weights_answer_and_fresh_ones_say_so(convscope, tmp_path):
    path = drawn(tmp_path)
    packaged = convscope("classify", path, "--net", "digits", "--json")
    fresh = convscope("classify", path, "--net", "digits", "--weights", "none", "--json")
    assert answers(packaged)[0] == str(int(cs.worlds.digits.test().labels[0]))
    assert fresh.json != packaged.json
    assert "learned nothing" in fresh.err
    assert "learned nothing" not in packaged.err


def test_a_file_that_is_no_weights_is_bad_input(convscope, tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"\x00" * 40)
    done = convscope("visualize", "digits", "conv1:0", "--weights", tmp_path / "bad.safetensors")
    assert done.code == 3
    assert "safetensors" in done.err
