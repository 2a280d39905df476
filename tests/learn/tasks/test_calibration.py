"""Calibration errors against loops, temperatures against SciPy, and a calibrated network in use."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from tests.learn.conftest import small_net
from tests.reference import calibration_error
from torch.nn import functional

import convscope as cs
from convscope.errors import ConvscopeError, GraphError
from convscope.graph.spec import OutputSpec
from convscope.learn import (
    ClassificationRecipe,
    Evaluation,
    Run,
    Trainer,
    adaptive_reliability,
    evaluate,
    fit_temperature,
    iter_train_run,
    reliability,
    train,
)
from convscope.learn.batches.holdout import hold_out
from convscope.learn.tasks.classifiers.calibration import TEMPERATURES, chance_error
from convscope.nets.activations.classifier_output import read_output

PLAIN = {"precision": "fp32", "memory_format": "contiguous", "batch": 64, "lr": 0.02}


def predictions(seed, count=500, classes=7, sharp=3.0):
    generator = torch.Generator().manual_seed(seed)
    logits = sharp * torch.randn(count, classes, generator=generator)
    labels = torch.multinomial((logits / 2).softmax(1), 1, generator=generator)[:, 0]
    return logits, labels


@pytest.mark.parametrize("seed", range(4))
def test_errors_are_those_of_the_loops(seed):
    logits, labels = predictions(seed, count=(500, 37, 15, 4)[seed])
    shares = logits.softmax(1).double()
    shares[:2] = torch.eye(7, dtype=torch.float64)[:2]  # a confidence of exactly 1
    arrays = shares.numpy(), labels.numpy()
    assert reliability(shares, labels).error == pytest.approx(calibration_error.equal_width(*arrays))
    assert adaptive_reliability(shares, labels).error == pytest.approx(calibration_error.equal_mass(*arrays))
    assert int(reliability(shares, labels).counts.sum()) == len(labels)


def test_a_confidence_at_the_end_of_a_bin_belongs_to_it():
    shares = torch.tensor([[0.8, 0.2], [0.6, 0.4]], dtype=torch.float64)
    assert reliability(shares, torch.tensor([0, 0]), bins=5).counts.tolist() == [0, 0, 1, 1, 0]


def cross_entropy(logits, labels, temperature):
    return float(functional.cross_entropy(logits.double() / temperature, labels))


@pytest.mark.parametrize("seed", range(4))
def test_the_temperature_is_scipys(seed):
    logits, labels = predictions(seed, sharp=(0.5, 2, 5, 30)[seed])
    best = minimize_scalar(
        lambda log: cross_entropy(logits, labels, np.exp(log)),
        bounds=np.log(TEMPERATURES),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert fit_temperature(logits, labels) == pytest.approx(float(np.exp(best.x)), rel=1e-4)


def test_a_known_temperature_is_found_again():
    logits, labels = predictions(5, count=40_000)  # drawn at the temperature 2
    assert fit_temperature(logits, labels) == pytest.approx(2, rel=0.03)
    after = Evaluation(tuple("abcdefg"), labels, (logits / 2).softmax(1), torch.zeros(len(labels)), 2.0)
    assert after.ece < 0.01 < 0.1 < after.uncalibrated.ece
    torch.testing.assert_close(after.uncalibrated.probabilities, logits.softmax(1), rtol=1e-4, atol=1e-6)


def test_where_the_likelihood_has_no_maximum_the_temperature_is_1_or_at_its_end():
    logits = 5 * torch.eye(4)
    assert fit_temperature(logits, torch.arange(4)) == 1
    assert fit_temperature(logits, (torch.arange(4) + 1) % 4) == pytest.approx(TEMPERATURES[1])


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), "2", True, 1e-4, 1e4])
def test_a_spec_refuses_a_temperature_that_is_none(value):
    with pytest.raises(GraphError, match="temperature"):
        OutputSpec(temperature=value)


@pytest.mark.parametrize("kind", ["logits", "probabilities", "log_probabilities"])
def test_an_output_is_read_at_its_temperature(kind):
    logits, _ = predictions(1, count=9)
    values = {
        "logits": logits,
        "probabilities": logits.softmax(1),
        "log_probabilities": logits.log_softmax(1),
    }[kind]
    net = cs.wrap(torch.nn.Identity(), cs.TensorSpec((7,)), output=OutputSpec(kind, temperature=2.5))
    read = read_output(net, values)
    assert read is not None
    torch.testing.assert_close(
        read.log_probabilities().exp(), (logits / 2.5).softmax(1), rtol=1e-4, atol=1e-6
    )


@pytest.fixture(scope="module")
def run(train_images, test_images, tmp_path_factory):
    out = tmp_path_factory.mktemp("calibrated") / "run"
    return train(small_net(), train_images, test=test_images, out=out, epochs=4, calibrate=True, **PLAIN)


def test_a_run_is_calibrated_on_the_validation_part(run, train_images, test_images):
    net = cs.load(str(run.folder))
    _rest, held = hold_out(train_images, 0.1, run.recipe.seed)
    with torch.no_grad():
        logits = net(held.pixels(range(len(held))) / 255)
    expected = minimize_scalar(
        lambda log: cross_entropy(logits, held.labels, np.exp(log)),
        bounds=np.log(TEMPERATURES),
        method="bounded",
        options={"xatol": 1e-9},
    )
    temperature = net.output_spec.temperature
    assert temperature == pytest.approx(float(np.exp(expected.x)), rel=1e-3) and abs(temperature - 1) > 0.05
    found = evaluate(net, test_images)
    assert found.temperature == temperature
    assert found.uncalibrated.loss == pytest.approx(run.epochs[-1].test_metrics["loss"], rel=1e-4)
    assert found.accuracy == run.epochs[-1].test_metrics["accuracy"], "no answer changes"


def test_classify_answers_with_calibrated_probabilities(run, test_images):
    net = cs.load(str(run.folder))
    image = test_images.pixels([3])
    with torch.no_grad():
        expected = (net(image / 255)[0] / net.output_spec.temperature).softmax(0)
    answer = cs.use.classify(net, image[0], top=10)
    assert answer.probabilities == pytest.approx(expected.sort(descending=True).values.tolist(), rel=1e-4)
    explained = cs.see.explain(net, image, "saliency", [answer.units[0]])
    assert float(explained.probabilities[0]) == pytest.approx(answer.probabilities[0], rel=1e-4)


def test_training_on_begins_without_the_old_temperature(run, train_images):
    net = cs.load(str(run.folder))
    loop = Trainer(net, train_images, recipe=ClassificationRecipe(epochs=1, **PLAIN))
    assert (loop.net.output_spec.temperature, net.output_spec.temperature) == (
        1.0,
        pytest.approx(net.output_spec.temperature),
    )
    list(loop)
    assert loop.trained.output_spec.temperature == 1.0


def test_a_resumed_run_is_calibrated_alike(run, train_images, test_images, tmp_path):
    recipe = run.recipe.model_copy(update={"resume": None})
    events = iter_train_run(small_net(), train_images, test_images, recipe, out=tmp_path / "run")
    next(event for event in events if getattr(event, "index", 0) == 2)
    events.close()
    assert Run.open(tmp_path / "run").load().output_spec.temperature == 1.0
    again = train(small_net(seed=3), train_images, test=test_images, resume=tmp_path / "run")
    assert again.load().output_spec == run.load().output_spec


def test_the_document_has_it_before_and_after(run, test_images):
    found = evaluate(cs.load(str(run.folder)), test_images)
    document = found.to_json()
    assert document["ece"] == found.ece and document["uncalibrated"]["ece"] == found.uncalibrated.ece
    assert any(f"{found.temperature:.3g}" in line for line in found.summary)


def test_a_damaged_temperature_is_refused(run, tmp_path):
    import json
    import shutil

    shutil.copytree(run.folder, tmp_path / "copy")
    path = tmp_path / "copy/model.json"
    document = json.loads(path.read_text())
    document["outputs"][0]["temperature"] = -1
    path.write_text(json.dumps(document))
    with pytest.raises(ConvscopeError, match="temperature"):
        cs.load(str(tmp_path / "copy"))


@pytest.mark.parametrize("scale", [0.06, 0.1, 0.3, 1.0, 5.0, 19.0])
def test_the_temperature_is_found_wherever_it_lies(scale: float) -> None:
    """Logits of a calibrated classifier, multiplied: the temperature is the factor."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20_000, 4, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator).squeeze(1)
    assert fit_temperature(logits * scale, labels) == pytest.approx(scale, rel=0.05)


@pytest.mark.parametrize("count", [20, 200, 2000])
def test_the_error_by_chance_is_that_of_simulated_labels(count: int) -> None:
    generator = torch.Generator().manual_seed(1)
    probabilities = torch.randn(count, 2, generator=generator).softmax(1)
    errors = []
    for _ in range(200):
        labels = torch.multinomial(probabilities, 1, generator=generator).squeeze(1)
        errors.append(reliability(probabilities, labels).error)
    assert chance_error(probabilities) == pytest.approx(sum(errors) / 200, rel=0.1)
