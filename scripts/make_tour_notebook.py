"""Run docs/tour.ipynb, and store its outputs anew (python scripts/make_tour_notebook.py)."""

import copy
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

PLACE = Path(__file__).resolve().parent.parent / "docs" / "tour.ipynb"
LONGEST = 600
"""Seconds after which a cell is stopped."""
STRICT = """import warnings
warnings.simplefilter("error")
warnings.filterwarnings("ignore", module="ipykernel")"""
"""Run before the notebook's own cells, so that a warning stops it."""


def executed(book: Any) -> Any:
    """Return a copy of a notebook whose outputs are those of running it beside its file."""
    made = copy.deepcopy(book)
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    made.cells.insert(0, nbformat.v4.new_code_cell(STRICT))
    NotebookClient(made, timeout=LONGEST, resources={"metadata": {"path": str(PLACE.parent)}}).execute()
    made.cells.pop(0)
    count = 0
    for cell in made.cells:
        cell.metadata.pop("execution", None)  # times, which change with every run
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = count
    return made


if __name__ == "__main__":
    nbformat.write(executed(nbformat.read(PLACE, as_version=4)), PLACE)
