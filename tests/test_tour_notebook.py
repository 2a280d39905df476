"""The notebook of docs/ runs from beginning to end, and has a chapter for every verb."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from convscope.jobs import JOBS

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "docs" / "tour.ipynb"


def read() -> Any:
    nbformat = pytest.importorskip("nbformat")
    return nbformat.read(PLACE, as_version=4)


def test_the_notebook_has_a_chapter_for_every_verb_and_shows_its_results() -> None:
    book = read()
    words = " ".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    titles = ", ".join(re.findall(r"^## (.*)$", words.replace("## ", "\n## "), re.MULTILINE))
    chapters = set(re.split(r", | and ", titles))
    assert JOBS.keys() - chapters == set()
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert len(code) > 20 and all(cell.outputs for cell in code)
    pictures = [output for cell in code for output in cell.outputs if "<img" in str(output.get("data", ""))]
    assert len(pictures) > 10
    assert PLACE.stat().st_size < 2_000_000


@pytest.mark.slow
def test_the_notebook_runs_without_an_error_or_a_warning() -> None:
    pytest.importorskip("nbclient")
    place = ROOT / "scripts" / "make_tour_notebook.py"
    spec = importlib.util.spec_from_file_location("make_tour_notebook", place)
    assert spec is not None and spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    book = read()
    again = maker.executed(book)  # a cell that fails raises
    for old, new in zip(book.cells, again.cells, strict=True):
        if old.cell_type == "code":
            kinds = [[set(one.get("data", {})) for one in cell.outputs] for cell in (old, new)]
            assert kinds[0] == kinds[1], new.source
