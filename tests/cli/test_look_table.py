"""The table of `look` in the terminal: rows of groups, numbers of one format."""

import re

from rich.console import Console

from convscope.cli.tables.input.look import table


def entry(place: str, strength: float, *, listed: bool) -> dict:
    unit = {"unit": 3, "deviation": 77.0, "inside": strength, "degree": -5e6}
    return {
        "place": place,
        "shape": [8, 4, 4],
        "zero_maps": 0,
        "alike": 0,
        "strongest": [unit],
        "listed": listed,
    }


def shown(layers: list[dict]) -> str:
    console = Console(width=160, record=True, quiet=False)
    with console.capture() as got:
        console.print(
            table({"layers": layers, "health": [], "said": [], "page": "look.html", "out": "there"})
        )
    return got.get()


def test_numbers_have_one_format_and_no_exponent():
    strengths = (16234.0, 9992.0, 38.64, 0.01234, 0.0)
    found = shown([entry(f"a{k}", value, listed=True) for k, value in enumerate(strengths)])
    assert re.findall(r"3 \((.*?)\)", found) == ["16,200", "9,990", "38.6", "0.0123", "0"]
    assert "layers" not in found


def test_folded_layers_are_counted_and_where_they_are_is_said():
    found = shown([entry("conv", 1.0, listed=False), entry("act", 1.0, listed=True)])
    assert "act" in found and "conv " not in found
    assert "1 of 2 layers" in found and "look.html" in found and "--json" in found
