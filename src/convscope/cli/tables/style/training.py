"""The table of `style train` and `style add`."""

from typing import Any


def table(document: dict[str, Any]) -> Any:
    """Return the losses of each epoch.

    Args:
        document: the result.

    Returns:
        A table of rich.
    """
    from rich.table import Table

    made = Table(box=None, header_style="bold", pad_edge=False)
    heads = ("epoch", "loss", "content off", "style off", "identity dB", "squares/s", "seconds", "")
    for head in heads:
        made.add_column(head, justify="right" if head else "left")
    for epoch in document["epochs"]:
        found = {n: v for n, v in (epoch["test_measures"] or epoch["measures"]).items() if v is not None}
        shares = [f"{found[name]:.1%}" if name in found else "" for name in ("content", "style")]
        psnr = f"{found['psnr']:.1f}" if "psnr" in found else ""
        speed = (f"{epoch['images_per_second']:.1f}", f"{epoch['seconds']:.0f}", epoch["worst"])
        made.add_row(str(epoch["index"]), f"{epoch['train_loss']:.3f}", *shares, psnr, *speed)
    return made
