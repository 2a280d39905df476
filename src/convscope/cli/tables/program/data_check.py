"""What the terminal says of a folder of images."""

from typing import Any

from convscope.errors import DataError


def exit_code(document: dict[str, Any]) -> int:
    """Return 3 if something is wrong with the images, else 0; remarks alone are fine.

    Args:
        document: the result.

    Returns:
        The exit code.
    """
    return 0 if document["report"]["ok"] else DataError.exit_code


def table(document: dict[str, Any]) -> str:
    """Return what was found, and a verdict.

    Args:
        document: the result.

    Returns:
        Lines of text.
    """
    from convscope.worlds import DatasetReport

    report = DatasetReport.from_json(document["report"])
    verdict = "All is well."
    if report.remarks:
        verdict = "Usable; see the remarks."
    if not report.ok:
        skipped = "; training skips the files that cannot be read" * bool(report.problems)
        verdict = f"Something is not well{skipped}."
    return f"{report}\n{verdict}"
