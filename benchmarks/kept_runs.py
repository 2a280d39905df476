"""Trainings of benchmarks that take hours, each done once and kept, so that a benchmark can go on later."""

import json
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.result import RESULTS


class KeptRuns:
    """The runs of one benchmark, in a file beside its table: remove it to measure all anew.

    Args:
        name: of the benchmark.
    """

    def __init__(self, name: str) -> None:
        self.file = RESULTS / f"{name}_runs.json"
        self.found: list[dict[str, Any]] = json.loads(self.file.read_text()) if self.file.exists() else []

    def get(self, key: dict[str, Any], measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return a run, measured if it is not there yet.

        Args:
            key: what tells it from the others.
            measure: trains and tests; returns JSON-ready numbers.

        Returns:
            The key and the numbers.
        """
        for run in self.found:
            if key.items() <= run.items():
                return run
        run = {**key, **measure()}
        self.found.append(run)
        whole = self.file.with_suffix(".tmp")
        whole.write_text(json.dumps(self.found, indent=1) + "\n")
        whole.replace(self.file)
        print(json.dumps(run), file=sys.stderr, flush=True)
        return run
