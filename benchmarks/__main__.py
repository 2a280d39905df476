"""Run benchmarks and write what they found: `python -m benchmarks [name ...]`."""

import sys
import time

from benchmarks import (
    attribution,
    classify,
    dream,
    fast_style,
    gemm,
    help,
    record,
    style,
    train_mnist,
    units,
    visualize,
    visualize_speed,
)
from benchmarks.result import Result, environment, write

BENCHMARKS = {
    module.__name__.rpartition(".")[2]: module.run
    for module in (
        attribution,
        classify,
        dream,
        fast_style,
        gemm,
        help,
        record,
        style,
        train_mnist,
        units,
        visualize,
        visualize_speed,
    )
}


def main(names: list[str]) -> int:
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        print(f"There is: {', '.join(BENCHMARKS)}. Received: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    facts, missed = environment(), []
    for name in names or list(BENCHMARKS):
        started = time.monotonic()
        result: Result = BENCHMARKS[name]()
        write(name, result, facts, time.monotonic() - started)
        print(result.markdown(), flush=True)
        missed += [f"{name}: {target.what}" for target in result.targets if not target.met]
    print("\n".join(["", *(f"missed - {line}" for line in missed)]) if missed else "\nevery target met")
    return 0


sys.exit(main(sys.argv[1:]))
