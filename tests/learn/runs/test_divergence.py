"""A diverged training is recognised; one that memorises, has harder samples or begins badly is not one."""

import math

import pytest
import torch

from convscope.learn import Epoch, Evaluation, divergence
from convscope.learn.tasks.metrics import MetricSpec

TEN = Evaluation(
    tuple("abcdefghij"), torch.zeros(2, dtype=torch.long), torch.full((2, 10), 0.1), torch.ones(2)
)


def history(train, test):
    return [
        Epoch(i + 1, len(train), {"loss": a}, {"loss": b}, 1.0, 9.0, 0.1, "fp32", "contiguous")
        for i, (a, b) in enumerate(zip(train, test, strict=True))
    ]


@pytest.mark.parametrize(
    ("train", "test", "tested", "guessing"),
    [
        ([9.85e22], [1.6e25], TEN, True),
        ([9.85e22], [None], TEN, True),  # infinite
        ([0.6, 50.0], [0.5, 6.8e6], None, False),
        ([0.6, 50.0], [0.5, 6.8e6], TEN, True),
        ([0.6, 50.0], [0.5, None], None, False),
        ([9.85e22], [1.6e25], None, None),  # a task of which guessing is unknown
        ([0.9, 0.1, 0.001], [0.9, 2.0, 9.0], TEN, None),  # memorises
        ([0.5, 1.2], [0.9, 0.6], TEN, None),  # augmented
        ([6.0], [2.1], TEN, None),  # began badly
        ([2.3, 2.303], [2.3, 2.304], TEN, None),  # learns nothing
        ([-2.0, -1.0], [-2.0, -1.0], None, None),  # likelihoods
        ([None, None], [None, None], TEN, None),
    ],
)
def test_a_divergence_is_a_loss_that_rose_on_training_and_test_data(train, test, tested, guessing):
    found = divergence(history(train, test), tested)
    assert (None if found is None else found.guessing) is guessing
    if found:
        assert found.reference == (math.log(10) if guessing else train[0]) and found.loss == train[-1]
        assert "lower --lr (or --find-lr)" in found.text["en"] and "--lr" in found.text["zh"]
        probe = divergence(history(train, test), tested, probed=len(train))
        assert probe is not None and "lower --probe-lr (or --find-lr)" in probe.text["en"]
        assert "--probe-lr" in probe.text["zh"]
        later = divergence(history(train, test), tested, probed=len(train) - 1)
        assert later is not None and "lower --lr" in later.text["en"]


def test_without_epochs_or_a_test_nothing_and_the_training_is_said():
    assert divergence([]) is None
    (epoch,) = history([1.0], [1.0])
    bare = Epoch(
        1,
        1,
        {"accuracy": 0.5},
        {},
        *(getattr(epoch, n) for n in ("seconds", "samples_per_second")),
        0.1,
        "",
        "",
    )
    assert divergence([bare]) is None


def test_large_values_of_metrics_have_an_exponent():
    spec = MetricSpec("loss", form=".4f")
    assert spec.text({"loss": 15858042062012075539955712.0}) == "1.59e+25"
    assert spec.text({"loss": -3.2e7}) == "-3.20e+07"
    assert spec.text({"loss": 99_999.0}) == "99999.0000" and spec.text({"loss": 2.3}) == "2.3000"
    assert MetricSpec("accuracy", form=".2%").text({"accuracy": 0.5}) == "50.00%"
