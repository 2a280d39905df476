"""What a benchmark found, as JSON and as markdown."""

import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Target:
    """Something that was promised."""

    what: str
    found: str
    met: bool


@dataclass(frozen=True)
class Result:
    """A table, the raw numbers behind it, and the targets."""

    title: str
    about: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    raw: dict[str, Any]
    targets: list[Target] = field(default_factory=list)

    def markdown(self) -> str:
        """The table, then the targets."""
        lines = [f"# {self.title}", "", self.about, "", _row(self.head), _row("---" for _ in self.head)]
        lines += [_row(row) for row in self.rows]
        if self.targets:
            lines += ["", "| target | found | |", "|---|---|---|"]
            lines += [_row((t.what, t.found, "met" if t.met else "**missed**")) for t in self.targets]
        return "\n".join(lines) + "\n"


def spread(values: list[float], form: str = ",.0f") -> str:
    """Median and the range from least to most."""
    if len(values) == 1:
        return format(values[0], form)
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


def environment() -> dict[str, Any]:
    """Machine and versions."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "date": date.today().isoformat(),
        "processor": model or platform.processor(),
        "cores": cores,
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        **{name: version(name) for name in ("convscope", "torch", "torchvision")},
        "commit": _commit(),
    }


def has_bf16() -> bool:
    """Return whether the processor has instructions for bfloat16; without, torch emulates them slowly."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.is_file() and "bf16" in cpuinfo.read_text()


def write(name: str, result: Result, facts: dict[str, Any], seconds: float) -> None:
    """Put the result beside the others."""
    RESULTS.mkdir(exist_ok=True)
    command = f"python -m benchmarks {name}"
    document = {"command": command, "seconds": round(seconds), "environment": facts, **asdict(result)}
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1, default=sorted) + "\n")
    about = ", ".join(f"{key} {value}" for key, value in facts.items())
    foot = f"\n`{command}` took {seconds:.0f} s. Median (least to most). {about}.\n"
    (RESULTS / f"{name}.md").write_text(result.markdown() + foot)


def apart(*arguments: str, **environ: str) -> Any:
    """Run `python -m ...` in a process of its own and return the JSON it prints last."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environ},
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def _row(cells: Any) -> str:
    return "| " + " | ".join(cells) + " |"


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
