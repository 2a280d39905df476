import itertools
from typing import get_args

import pytest
import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, MultiStepLR

from convscope.learn import recipe as plan_module
from convscope.learn.optimization.schedules import FLOOR, SCHEDULES, lr_factor
from convscope.learn.recipe import ClassificationRecipe

STEPS = 40


def torchs(make) -> list[float]:
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler, rates = make(optimizer), []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_the_table_holds_what_the_plan_offers():
    assert set(get_args(plan_module.Schedule)) == set(SCHEDULES)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("cosine", lambda o: CosineAnnealingLR(o, STEPS)),
        ("step", lambda o: MultiStepLR(o, [STEPS // 2, STEPS * 3 // 4])),
    ],
)
def test_without_warmup_it_is_torchs(name, make):
    ours = [lr_factor(ClassificationRecipe(schedule=name, warmup=0), k, STEPS) for k in range(STEPS)]
    assert ours == pytest.approx([max(FLOOR, r) for r in torchs(make)], abs=1e-9)


def test_one_cycle_is_a_triangle():
    rates = [
        lr_factor(ClassificationRecipe(schedule="onecycle", warmup=0.25), k, STEPS) for k in range(STEPS)
    ]
    top = rates.index(max(rates))
    assert top == 10
    assert rates[top] == 1
    rises = [b - a for a, b in itertools.pairwise(rates[: top + 1])]
    falls = [b - a for a, b in itertools.pairwise(rates[top:])]
    assert rises == pytest.approx([1 / 11] * 10)
    assert falls == pytest.approx([-1 / 30] * 29)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("warmup", [None, 0, 0.5, 0.9])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_rates_stay_between_the_floor_and_one(name, warmup, steps):
    rates = [lr_factor(ClassificationRecipe(schedule=name, warmup=warmup), k, steps) for k in range(steps)]
    assert all(FLOOR <= r <= 1 for r in rates)
