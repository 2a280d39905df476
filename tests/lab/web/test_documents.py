"""Documents of verbs with views of their own: what the page is told that they hold is what they hold."""

from pathlib import Path
from typing import Any

import pytest
import soundfile
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from convscope import jobs
from convscope.jobs.output.results import as_json
from convscope.jobs.registry import load
from convscope.lab.web.routes.answers.documents import DOCUMENTS
from convscope.worlds.datasets import digits

CHECKED = {verb: TypeAdapter(kind) for verb, kind in DOCUMENTS.items()}


def documents(verb: str, out: Path, **settings: Any) -> list[Any]:
    """All documents of a job, from the first to the whole one, as its type reads them out of their JSON."""
    steps = jobs.run(load(verb).schema.parse(settings), out)
    return [CHECKED[verb].validate_json(as_json(step.result()), strict=True) for step in steps]


@pytest.fixture
def digit(tmp_path: Path) -> Path:
    Image.fromarray(digits.test().pixels([0])[0, 0].numpy()).save(tmp_path / "digit.png")
    return tmp_path / "digit.png"


def test_explanations_of_a_picture_that_are_compared(digit: Path, tmp_path: Path) -> None:
    methods = ["gradcam", "saliency"]
    *_, whole = documents(
        "explain", tmp_path / "seen", net="digits", image=str(digit), method=methods, compare=True
    )
    assert [entry["method"] for entry in whole["explanations"]] == methods
    assert {"deletion", "insertion", "drop", "fades"} <= whole["explanations"][0]["checks"].keys()
    (verdict,) = whole["verdicts"]
    assert set(verdict["best"]) <= set(methods) == verdict["scores"].keys()


def test_explanations_of_a_sound_have_frequencies_and_those_of_a_sentence_characters(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "tone.wav", digits.test().inputs([0])[0].flatten().repeat(10).numpy(), 8000)
    sound = {"net": "sound-square", "image": str(tmp_path / "tone.wav")}
    *_, heard = documents("explain", tmp_path / "heard", method=["saliency"], checks=False, **sound)
    (entry,) = heard["explanations"]
    assert len(entry["heat"]["hertz"]) == len(entry["heat"]["values"]) > 10
    sentence = {"net": "questions", "image": "How many legs has a spider"}
    *_, read = documents("explain", tmp_path / "read", method=["saliency"], checks=False, **sentence)
    (entry,) = read["explanations"]
    assert "".join(character for character, _ in entry["words"]) == sentence["image"]


def test_only_classes_have_a_probability(digit: Path, tmp_path: Path) -> None:
    asked = {"net": "digits", "image": str(digit), "method": ["saliency"], "checks": False}
    *_, whole = documents("explain", tmp_path / "class", target=["7"], **asked)
    (entry,) = whole["explanations"]
    assert 0 < entry["probability"] < 1
    *_, whole = documents("explain", tmp_path / "unit", target=["conv2:3"], **asked)
    (entry,) = whole["explanations"]
    assert entry["probability"] is None
    assert entry["value"] < 0


def test_answers_to_files_of_which_one_is_damaged(digit: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"\x89PNG")
    *_, whole = documents(
        "classify", tmp_path / "answers", net="digits", images=[str(digit), str(tmp_path / "bad.png")]
    )
    good, bad = whole["answers"]
    assert (
        good["top"][0]["label"] == str(int(digits.test().labels[0])) and "error" in bad and "top" not in bad
    )


def test_a_report_of_data_with_something_wrong(digit: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "one.png").write_bytes(digit.read_bytes())
    (tmp_path / "set" / "a" / "bad.png").write_bytes(b"\x89PNG")
    (whole,) = documents("data check", tmp_path / "report", folder=str(tmp_path / "set"))
    (bad,), (twice,) = whole["report"]["problems"], whole["report"]["duplicates"]
    assert bad["path"] == "a/bad.png" and twice["across_classes"] and whole["report"]["total"] == 2


def test_a_field_that_the_type_does_not_name_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="extra"):
        CHECKED["classify"].validate_python(
            {"verb": "classify", "recipe": {}, "net": "digits", "answers": [], "more": 1}
        )
