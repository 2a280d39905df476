"""A unit of a training is switched off beside it: the numbers are right, and the training stays the same."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.lab.conftest import Client

from convscope import learn, nets
from convscope.learn import Run, setup_training

WORKERS = {"jobs": "convscope.lab.workers.jobs", "live": "convscope.lab.workers.live"}
NET = "conv 6 5x5, relu, maxpool 4, conv 8 3x3, relu, flatten, dense 10"
TRAIN: dict[str, Any] = {"network": NET, "data": "digits", "samples": 2000, "epochs": 8, "seed": 3}
TRAIN |= {"precision": "fp32", "memory_format": "contiguous"}


@pytest.fixture(scope="module")
def lab(serve: Callable[..., Client]) -> Client:
    return serve(WORKERS)


def begin(lab: Client, **settings: Any) -> str:
    answer = lab("POST", "/api/v1/jobs", {"verb": "train", "settings": TRAIN | settings})
    assert answer.status == 201, answer.body
    return answer.json["id"]


def job(lab: Client, id_: str) -> Any:
    return lab("GET", f"/api/v1/jobs/{id_}").json


def until_over(lab: Client, id_: str, meanwhile: Callable[[], None]) -> Path:
    """Return the folder of a run that has ended."""
    while job(lab, id_)["state"] in ("queued", "running"):
        meanwhile()
    found = job(lab, id_)
    assert found["state"] == "done", found["error"]
    return lab.server.state.runs / found["document"]["training"]["run"]


def test_a_training_whose_units_are_switched_off_beside_it_has_the_same_weights(lab: Client) -> None:
    plain = until_over(lab, begin(lab), lambda: time.sleep(0.2))
    id_, answers = begin(lab), list[Any]()

    def ask() -> None:
        for unit in range(6):
            answers.append(lab("GET", f"/api/v1/jobs/{id_}/ablation?unit=conv1:{unit}"))

    asked = until_over(lab, id_, ask)
    good = [answer.json for answer in answers if answer.status == 200]
    assert len(good) > 10 and len({round(one["accuracy"], 6) for one in good}) > 1  # of several epochs
    first, second = load_file(plain / "model.safetensors"), load_file(asked / "model.safetensors")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert (plain / "metrics.jsonl").read_bytes().count(b"\n") == 8


def test_the_numbers_are_those_of_a_network_whose_unit_has_no_weights(lab: Client) -> None:
    id_ = begin(lab, epochs=2)
    folder = until_over(lab, id_, lambda: time.sleep(0.2))
    found = lab("GET", f"/api/v1/jobs/{id_}/ablation?unit=conv1:2").json
    net, data = nets.load(folder), setup_training(Run.open(folder).recipe).test
    part = data.take([k * len(data) // found["samples"] for k in range(found["samples"])])
    before = learn.evaluate(net, part)
    with torch.no_grad():
        net.module.get_submodule("conv1").weight[2] = 0
        net.module.get_submodule("conv1").bias[2] = 0
    after = learn.evaluate(net, part)
    assert found["accuracy"] == pytest.approx(before.accuracy)
    assert found["ablated"] == pytest.approx(after.accuracy)
    assert found["changed"] == pytest.approx(float((before.predictions != after.predictions).double().mean()))
    falls = (before.class_accuracy - after.class_accuracy).tolist()
    assert found["hurt"] is None or falls[int(found["hurt"]["name"])] == pytest.approx(max(falls))
    whole = lab("GET", f"/api/v1/jobs/{id_}/ablation?unit=conv1").json
    again = lab("GET", f"/api/v1/jobs/{id_}/ablation?unit=conv1:2").json
    assert whole["ablated"] < 0.3 < whole["accuracy"] and again == found  # and nothing is left switched off


def test_units_that_are_not_there_and_trainings_without_classes_are_refused(lab: Client) -> None:
    id_ = begin(lab, epochs=1, samples=64)
    until_over(lab, id_, lambda: time.sleep(0.2))
    for unit in ("conv1:99", "nothing", "conv1:-1"):
        answer = lab("GET", f"/api/v1/jobs/{id_}/ablation?unit={unit}")
        assert answer.status == 404 and answer.json["error"]["expected"], unit
    points = lab(
        "POST", "/api/v1/jobs", {"verb": "train", "settings": {"recipe": "gan-ring", "reduced": True}}
    )
    until_over(lab, points.json["id"], lambda: time.sleep(0.2))
    answer = lab("GET", f"/api/v1/jobs/{points.json['id']}/ablation?unit=output")
    assert answer.status == 422 and "classifier" in answer.json["error"]["expected"]
