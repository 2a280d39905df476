"""The table of `dream`."""

from typing import Any

from convscope.jobs.pictures import NOT_RAISED, UNMOVED


def table(document: dict[str, Any]) -> Any:
    """Return the objective before and after each size.

    Args:
        document: the result.

    Returns:
        A table of rich.
    """
    from rich.table import Table

    made = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("octave", "objective before", "after", ""):
        made.add_column(head)
    for octave in document["octaves"]:
        height, width = octave["size"]
        times = f"x {octave['after'] / octave['before']:.2f}" if octave["before"] > 0 else ""
        if octave["unmoved"]:
            times = UNMOVED
        elif octave["not_raised"]:
            times = NOT_RAISED
        exact = "" if octave["exact"] else ", not exact near seams"
        tiles = f"  {octave['tiles']} tiles{exact}" if octave["tiles"] > 1 else ""
        made.add_row(
            f"{width} by {height}", f"{octave['before']:.4g}", f"{octave['after']:.4g}", times + tiles
        )
    return made
