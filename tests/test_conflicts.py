"""Settings that contradict each other: what is said to be expected, and what was received, are each true."""

import ast
from pathlib import Path

import pytest

import convscope
from convscope.errors import UsageError
from convscope.learn import ClassificationRecipe
from convscope.learn.multitask.recipe import MultitaskRecipe
from convscope.see.deepdream.recipe import DreamRecipe
from convscope.see.style.recipe import StyleRecipe
from convscope.see.visualization.recipe import VisualizeRecipe

ONE, TWO = ({"content": "c.png", "style": list(names)} for names in (("s.png",), ("s.png", "m.png")))
TRAIN = {"network": "lecture-relu", "data": "digits"}
TABLES = {"data": "d.csv", "outputs": [{"name": "y", "loss": "mse"}]}
CASES = [
    (
        StyleRecipe,
        {**TWO, "style_weight": [2]},
        "one --style-weight for each --style, 2 in all",
        "2 for 2 paintings",
    ),
    (
        StyleRecipe,
        {**ONE, "style_weight": [1, 2]},
        "two paintings or more",
        "style_weight 1, 2 for 1 painting",
    ),
    (StyleRecipe, {**ONE, "style_weight": [1]}, "two paintings or more", "style_weight 1 for 1 painting"),
    (
        StyleRecipe,
        {**TWO, "style_weight": [-1, 2]},
        "not negative, and not all 0",
        "style_weight -1, 2 for 2",
    ),
    (StyleRecipe, {**TWO, "style_weight": [0, 0]}, "not negative, and not all 0", "style_weight 0, 0 for 2"),
    (
        StyleRecipe,
        {**TWO, "guide": "g", "style_guide": ["a"]},
        "one --style-guide for each --style, 2",
        "1 style guide for 2",
    ),
    (
        StyleRecipe,
        {**TWO, "guide": "g"},
        "one --style-guide for each --style, 2",
        "a guide, and no style guides",
    ),
    (StyleRecipe, {**ONE, "style_guide": ["a"]}, "--guide with --style-guide", "1 style guide, and no guide"),
    (StyleRecipe, {**ONE, "steps": [9, 9, 9], "scales": 2}, "each of 2 scales at most", "3 numbers"),
    (
        DreamRecipe,
        {"photo": "p.png", "zoom": 3, "seamless": True},
        "without --mask and --seamless",
        "zoom 3 with seamless",
    ),
    (VisualizeRecipe, {"net": "digits"}, "places: one or more, or a --journey", "neither a place"),
    (
        VisualizeRecipe,
        {"net": "digits", "places": ["a"], "steps": 9, "save_steps": [5, 12]},
        "at most 9",
        "save_steps: 5, 12",
    ),
    (
        ClassificationRecipe,
        {**TRAIN, "epochs": 2, "freeze": ["conv1 at epoch 5"]},
        "within the 2 epochs",
        "epoch 5: conv1 at epoch 5",
    ),
    (
        ClassificationRecipe,
        {**TRAIN, "from": "digits"},
        "or --from in its place",
        "NETWORK lecture-relu and --from digits",
    ),
    (
        ClassificationRecipe,
        {"data": "digits", "from": "digits", "recipe": "lenet5"},
        "one start",
        "--recipe lenet5 and --from digits",
    ),
    (
        ClassificationRecipe,
        {**TRAIN, "class_weights": "balanced", "sampler": "balanced"},
        "or --sampler balanced",
        "and sampler",
    ),
    (ClassificationRecipe, {**TRAIN, "epochs": 2, "probe_epochs": 3}, "at most 2", "probe_epochs: 3"),
    (
        ClassificationRecipe,
        {**TRAIN, "epochs": 2, "probe_epochs": 2, "find_lr": True, "probe_lr": 0.1},
        "a learning rate to find",
        "find_lr with probe_lr 0.1",
    ),
    (MultitaskRecipe, {"data": "d.csv", "network": "digits"}, "a table [[outputs]]", "no [[outputs]]"),
    (MultitaskRecipe, {**TABLES}, "[[branches]], or the name of another", "neither"),
    (
        MultitaskRecipe,
        {**TABLES, "network": "digits", "outputs": [{"name": "y", "weight": 0}]},
        "weight above 0",
        "only outputs of weight 0",
    ),
    (
        MultitaskRecipe,
        {**TABLES, "network": "digits", "outputs": [{"name": "y"}] * 2},
        "different names",
        "two outputs with the name y",
    ),
    (
        MultitaskRecipe,
        {**TABLES, "branches": [{"name": "b", "inputs": ["x"], "layers": "relu"}]},
        "that the [[branches]] read",
        "no [[inputs]]",
    ),
    (
        MultitaskRecipe,
        {**TABLES, "network": "digits", "outputs": [{"name": "y", "loss": "mse", "classes": ["a"]}]},
        "with the loss cross_entropy",
        "classes with mse",
    ),
    (
        MultitaskRecipe,
        {
            **TABLES,
            "network": "digits",
            "outputs": [{"name": "y", "loss": "cross_entropy", "target": ["a", "b"]}],
        },
        "one column of classes",
        "target a, b",
    ),
]


@pytest.mark.parametrize(("schema", "values", "expected", "received"), CASES)
def test_what_was_received_is_what_was_given(schema, values, expected, received):
    with pytest.raises(UsageError) as caught:
        schema.parse(values)
    assert expected in caught.value.expected and received in caught.value.received, str(caught.value)
    assert expected not in caught.value.received


def test_an_epoch_that_is_none_is_received_as_it_was_written():
    with pytest.raises(UsageError) as caught:
        ClassificationRecipe.parse({**TRAIN, "freeze": ["conv1@soon"]})
    assert "conv1@soon" in caught.value.received and "conv1@soon" not in caught.value.expected


def test_no_validator_of_several_settings_raises_an_error_that_has_no_parts():
    """A plain ValueError is one sentence, and it could only be printed as what was received."""
    plain = []
    for path in Path(convscope.__file__).parent.rglob("*.py"):
        text = path.read_text()
        if "model_validator" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and any(
                "model_validator" in ast.dump(d) for d in node.decorator_list
            ):
                raised = [n for n in ast.walk(node) if isinstance(n, ast.Raise)]
                plain += [f"{path.name}:{n.lineno}" for n in raised if "'ValueError'" in ast.dump(n)]
    assert plain == []
