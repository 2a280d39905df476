"""The verbs. A new one is one file here and one line in this table."""

VERBS: dict[str, str] = {
    name: f"convscope.cli.verbs.{name.replace(' ', '_')}"
    for name in (
        "tour",
        "nets",
        "describe",
        "train",
        "classify",
        "look",
        "visualize",
        "explain",
        "units",
        "unit",
        "atlas",
        "factors",
        "caricature",
        "invert",
        "style",
        "style train",
        "style add",
        "style apply",
        "dream",
        "data check",
        "replay",
        "doctor",
    )
}
"""What the user types -> the module that does it, in the order of the help. Two words make a group."""
