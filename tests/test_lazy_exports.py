"""Names of verbs lead to the functions that do their work, and each of those is a public one."""

import pytest

import convscope as cs
from convscope.errors import UsageError
from convscope.jobs import JOBS
from convscope.recipe import Recipe
from convscope.system.lazy_exports import FUNCTIONS

ELSEWHERE = {"lab", "play", "gtp", "replay", "doctor", "style train", "style add"}
"""Verbs that no single function stands for."""


def test_every_verb_has_its_function_and_every_function_is_public():
    assert set(FUNCTIONS) | ELSEWHERE == set(JOBS) and not set(FUNCTIONS) & ELSEWHERE
    for path in FUNCTIONS.values():
        room, name = path.split(".")
        module = getattr(cs, room)
        assert name in module.__all__ and callable(getattr(module, name)), path


@pytest.mark.parametrize(
    ("module", "name", "function"),
    [
        (cs.see, "look", "see.feature_maps"),
        (cs.see, "units", "see.index_units"),
        (cs.see, "classify", "use.classify"),
        (cs, "explain", "see.explain"),
        (cs, "data_check", "worlds.check_data"),
        (cs.use, "style_apply", "use.stylize"),
        (cs.learn, "runs_prune", "learn.prune_runs"),
    ],
)
def test_a_verb_of_another_name_is_led_to_its_function(module, name, function):
    if name in vars(module):  # a part of the package of the same name, imported before
        pytest.skip(f"{name} is a module here")
    with pytest.raises(AttributeError) as caught:
        getattr(module, name)
    verb = name.replace("_", " ")
    assert str(caught.value).startswith(f"module '{module.__name__}' has no attribute '{name}'; ")
    assert str(caught.value).endswith(f"; the verb `convscope {verb}` is convscope.{function}")
    assert caught.value.name == name and not hasattr(module, name)


def test_other_names_and_parts_of_packages_are_as_ever():
    with pytest.raises(AttributeError, match=r"module 'convscope.see' has no attribute 'nonsense'$"):
        cs.see.nonsense  # noqa: B018
    from convscope.see import optimize
    from convscope.see import style as part

    assert optimize.__name__ == "convscope.see.optimize" and part.__name__ == "convscope.see.style"
    assert {"visualize", "feature_maps"} <= set(dir(cs.see))


def test_errors_of_python_do_not_name_the_terminal_s_help():
    class Some(Recipe):
        verb = "look"
        a: int = 1

    with pytest.raises(UsageError) as caught:
        Some.parse({"a": "x"})
    assert "--help" not in str(caught.value)
    with pytest.raises(UsageError) as caught:
        cs.see.visualize("digits", "conv1:0", stepz=3)
    assert "--help" not in str(caught.value) and "steps" in caught.value.hint
