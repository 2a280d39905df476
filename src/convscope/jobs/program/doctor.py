"""Check this machine: packages, devices, disk, data.

Each line is `ok` or `warn`, and a warning says what to do.

    convscope doctor
"""

from typing import ClassVar

from convscope.jobs.job import Document, Steps, finished
from convscope.jobs.output.workspace import Workspace
from convscope.recipe import OnDevice
from convscope.system.progress import Progress


class DoctorRecipe(OnDevice):
    """What to check."""

    verb: ClassVar[str] = "doctor"


schema = DoctorRecipe


def run(recipe: DoctorRecipe, workspace: Workspace) -> Steps:
    """Check the installation and this machine: packages, devices, threads, disk, cache and bundled data.

    Writes no file of its own; `--out` saves the JSON document.

    Args:
        recipe: the device to look for; `auto` accepts any.
        workspace: not used; all jobs have the same signature.

    Yields:
        The progress with the document so far; JSON fields `checks` (entries with `what`, `ok`, `found` and
        `next`, the advice if not ok, else empty) and `warnings` (number of checks that are not ok).
    """
    from convscope.jobs.program.doctor_checks import CHECKS, checked

    checks: list[Document] = []

    def document() -> Document:
        return {"checks": checks, "warnings": sum(not check["ok"] for check in checks)}

    for check in CHECKS:
        checks.append(checked(check, recipe))
        yield Progress(len(checks) / len(CHECKS), checks[-1]["what"], document)
    yield finished(document())
