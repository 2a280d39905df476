import subprocess
import sys

import pytest

from convscope.errors import UsageError
from convscope.learn.recipe import ClassificationRecipe


def test_importing_the_plan_leaves_torch_alone():
    modules = "convscope.learn.recipe, convscope.learn.optimization.schedules, convscope.learn.runs.recipe"
    code = f"import {modules}, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    "values",
    [
        {"epochs": 0},
        {"batch": -1},
        {"lr": 0},
        {"lr": float("nan")},
        {"lr": float("inf")},
        {"optimizer": "lion"},
        {"label_smoothing": 1.0},
        {"momentum": 1},
        {"precision": "int4"},
        {"seed": -1},
        {"unknown": 3},
        {"network": ""},
    ],
)
def test_bad_values_name_their_field(values):
    with pytest.raises(UsageError) as caught:
        ClassificationRecipe.parse(values)
    assert next(iter(values)) in str(caught.value)


def test_the_learning_rate_follows_optimizer_and_size():
    assert ClassificationRecipe(lr=0.3).max_lr(10**9) == 0.3
    assert ClassificationRecipe().max_lr(100) > ClassificationRecipe().max_lr(10**8)
    assert ClassificationRecipe(optimizer="sgd").max_lr(100) == ClassificationRecipe(optimizer="sgd").max_lr(
        10**8
    )


def test_a_plan_tells_its_command():
    assert (
        ClassificationRecipe(network="lenet5", data="mnist", epochs=5).command()
        == "convscope train lenet5 mnist --epochs 5"
    )
