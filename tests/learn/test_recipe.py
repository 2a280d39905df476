import subprocess
import sys
from typing import Any

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


PROBE = {"epochs": 4, "probe_epochs": 4}
TUNED = {"epochs": 5, "probe_epochs": 4}
USELESS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"find_lr": True}, {"lr": 0.1}, {}),
    ({"reduced": True}, {}, {"recipe": "lenet5"}),
    ({"probe_lr": 0.1}, {}, TUNED),
    ({"lr": 0.1}, PROBE, TUNED),
    ({"layer_decay": 0.5}, PROBE, TUNED),
    ({"freeze_bn_stats": True}, PROBE, TUNED),
    ({"augment": ["shift"]}, PROBE, TUNED),
    ({"precision": "bf16"}, PROBE, TUNED),
    ({"memory_format": "channels_last"}, PROBE, TUNED),
    ({"adamw_head": True}, {"optimizer": "adamw"}, {"optimizer": "muon"}),
    ({"normalize_filters": True}, PROBE, TUNED),
    ({"dirac_init": True}, {"from": "digits"}, {}),
    ({"whiten_first_conv": True}, {"from": "digits"}, {}),
    ({"weights": "default"}, {}, {"from": "digits"}),
]
"""A setting, what takes its effect away, and what gives it one."""


@pytest.mark.parametrize("start", [{}, {"from": "digits"}])
@pytest.mark.parametrize(("setting", "without", "needed"), USELESS, ids=lambda values: " ".join(values))
def test_a_setting_without_effect_is_refused(setting, without, needed, start) -> None:
    (name,) = setting
    if start and name in ("find_lr", "probe_lr", "reduced", "dirac_init", "whiten_first_conv", "weights"):
        pytest.skip("the start has a probe, weights, and no recipe")
    with pytest.raises(UsageError, match=f"{name} .* has an effect only with") as caught:
        ClassificationRecipe.parse(start | without | setting)
    assert f"Leave out --{name.replace('_', '-')}." in caught.value.hint
    ClassificationRecipe.parse(start | needed | setting)
    ClassificationRecipe.parse(start | without)


def test_every_rule_of_a_training_is_tried() -> None:
    assert {rule.field for rule in ClassificationRecipe.rules()} == {n for one, _, _ in USELESS for n in one}


def test_names_and_values_are_shown_as_the_user_writes_them() -> None:
    with pytest.raises(UsageError) as caught:
        ClassificationRecipe.parse(PROBE | {"augment": ["shift", "flip"]})
    assert "augment (shift, flip), which has an effect" in caught.value.received
    with pytest.raises(UsageError) as caught:
        ClassificationRecipe.parse({"form": 3})
    assert "Did you mean from?" in caught.value.hint


def test_a_name_that_is_no_text_says_so() -> None:
    with pytest.raises(UsageError, match=r"data: a name in UTF-8.*udcff.*Rename it"):
        ClassificationRecipe.parse({"data": "photos\udcff"})


def test_a_probe_alone_needs_no_settings_of_the_rest() -> None:
    """The defaults of a start from another network are not refused as settings without effect."""
    found = ClassificationRecipe.parse({"from": "digits", "epochs": 1})
    assert found.probe_epochs == 1 and found.lr is None and found.layer_decay == 1
    with pytest.raises(UsageError, match=r"below --epochs \(1\), and --probe-epochs is 1"):
        ClassificationRecipe.parse({"from": "digits", "epochs": 1, "lr": 0.1})


@pytest.mark.parametrize(
    ("values", "said"), [({"from": ""}, "from: a network, not empty"), ({"from": 3.5j}, "from:")]
)
def test_a_field_that_ends_in_an_underscore_is_named_as_the_user_writes_it(values, said) -> None:
    with pytest.raises(UsageError, match=said):
        ClassificationRecipe.parse(values)


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
