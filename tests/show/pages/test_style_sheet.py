"""The line below the result of a style transfer."""

from types import SimpleNamespace
from typing import Any

import pytest

from convscope.cli.tables.style.style import table
from convscope.show.pages.style import _reached
from convscope.system.counting import capped_share


@pytest.mark.parametrize(("value", "said"), [(0.068, "6.8%"), (10.0, "1000.0%"), (8155.24, "over 1000%")])
def test_strip_and_terminal_write_shares_alike(value, said):
    """A photograph can be 8,000 times as far from a painting as the means alone."""
    losses: Any = SimpleNamespace(style={"a": 0.5}, style_of_content={"a": value}, values={"b": value})
    painted: Any = SimpleNamespace(losses=losses)
    assert _reached(painted) == f"missing of the style 50.0% (photograph {said}), of the content {said}"
    document = {
        "style": {"a": 0.5},
        "style_of_content": {"a": value},
        "content": {},
        "unmoved": False,
        "said": [],
    }
    rows = table(document).renderables[0]
    assert list(rows.columns[3].cells) == [said] == [capped_share(value)]
