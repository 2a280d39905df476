"""Run benchmarks and write what they found: `python -m benchmarks [name ...]`.

One that has choices of its own takes them behind its name: `python -m benchmarks recipes [NAME ...]`.
Without a name all benchmarks run; of one that would take many hours (`run_unnamed`) only what is kept of
earlier runs is laid out.
"""

import sys
import time

from benchmarks import (
    attribution,
    busy,
    classify,
    dream,
    fast_style,
    fast_style_quality,
    gemm,
    go,
    go_accuracy,
    go_play,
    help,
    lab,
    lab_atlas,
    lab_live,
    readme,
    recipes,
    record,
    sound_features,
    spoken_digits,
    style,
    text_accuracy,
    text_fold,
    train_mnist,
    train_rivals,
    transfer,
    transfer_accuracy,
    units,
    visualize,
    visualize_speed,
    voice_shift,
)
from benchmarks.data import missing, require
from benchmarks.result import Result, environment, write
from convscope.errors import MissingError

BENCHMARKS = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        attribution,
        busy,
        classify,
        dream,
        fast_style,
        fast_style_quality,
        gemm,
        go,
        go_accuracy,
        go_play,
        help,
        lab,
        lab_atlas,
        lab_live,
        readme,
        recipes,
        record,
        sound_features,
        spoken_digits,
        style,
        text_accuracy,
        text_fold,
        train_mnist,
        train_rivals,
        transfer,
        transfer_accuracy,
        units,
        visualize,
        visualize_speed,
        voice_shift,
    )
}


def main(names: list[str]) -> int:
    known, choices = tuple(BENCHMARKS), []
    if names and hasattr(BENCHMARKS.get(names[0]), "choices"):
        names, choices = names[:1], names[1:]
        known = (*names, *BENCHMARKS[names[0]].choices())
    unknown = {*names, *choices} - set(known)
    if unknown:
        print(
            f"error: expected one of: {', '.join(known)}; received {', '.join(sorted(unknown))}",
            file=sys.stderr,
        )
        return 2
    facts, missed, code = environment(), [], 0
    for name in names or list(BENCHMARKS):
        started = time.monotonic()
        try:
            result = result_of(name, choices, named=bool(names))
        except MissingError as error:
            print(f"error: {error.said}\n  next: {error.hint}", file=sys.stderr)
            code = error.exit_code
            continue
        write(name, result, facts, time.monotonic() - started)
        print(result.markdown(), flush=True)
        missed += [f"{name}: {target.what}" for target in result.targets if not target.met]
    print("\n".join(["", *(f"missed - {line}" for line in missed)]) if missed else "\nevery target met")
    return code


def result_of(name: str, choices: list[str], *, named: bool) -> Result:
    """Run a benchmark, if the data that it needs is there; say what is left out where some is not."""
    module = BENCHMARKS[name]
    if not named and hasattr(module, "run_unnamed"):
        print(f"{name}: only what is kept is laid out; python -m benchmarks {name} runs it", file=sys.stderr)
        return module.run_unnamed()
    require(name, getattr(module, "NEEDS", ()))
    for place in missing(getattr(module, "WANTS", ())):
        print(f"{name}: nothing at {place}; what needs it is left out", file=sys.stderr)
    return module.run(choices) if choices else module.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
