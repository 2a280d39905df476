"""The table of `train`."""

from typing import Any


def table(document: dict[str, Any]) -> Any:
    """Return the metrics of each epoch and of the test.

    Args:
        document: the result.

    Returns:
        A table of rich, and what the test says.
    """
    from rich.console import Group
    from rich.table import Table

    made = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("epoch", "loss", "right", "test loss", "test right", "images/s", "seconds"):
        made.add_column(head, justify="right")
    for e in document["epochs"]:
        tests = (_number(e["test_loss"], ".4f"), _number(e["test_accuracy"], ".2%"))
        numbers = (
            f"{e['train_loss']:.4f}",
            f"{e['train_accuracy'] or 0:.2%}",
            *tests,
            f"{e['images_per_second']:,.0f}",
        )
        made.add_row(str(e["index"]), *numbers, f"{e['seconds']:.1f}")
    tested = document["test"]
    worst = f"; most often {tested['worst']}" if tested["worst"] else ""
    line = f"{tested['accuracy']:.2%} of {tested['pictures']:,} test pictures are right{worst}."
    return Group(made, line, *([tested["caveat"]] if tested["caveat"] else []))


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
