"""The verbs of the command line. A new one is one module below and one line in this table.

A verb's module has a docstring (its help text, with examples), `schema` (the class of its recipe) and
`run(recipe, shell)`, which returns a `VerbResult`: JSON-ready data, a function that renders it for people,
and an exit code. Errors are raised as a `ConvscopeError`, whose class has the exit code: 1 failure, 2 usage,
3 bad data, 4 something missing, 130 interrupted.
"""

VERBS: dict[str, str] = {
    verb: f"convscope.cli.verbs.{module}"
    for verb, module in {
        "tour": "program.tour",
        "nets": "network.nets",
        "describe": "network.describe",
        "train": "network.train",
        "classify": "input.classify",
        "look": "input.look",
        "visualize": "network.visualize",
        "explain": "input.explain",
        "units": "network.units",
        "unit": "network.unit",
        "atlas": "network.atlas",
        "factors": "input.factors",
        "caricature": "input.caricature",
        "invert": "input.invert",
        "style": "style.style",
        "style train": "style.train",
        "style add": "style.add",
        "style apply": "style.apply",
        "dream": "input.dream",
        "data check": "program.data_check",
        "replay": "program.replay",
        "doctor": "program.doctor",
    }.items()
}
"""What the user types -> the module that does it, in the order of the help. Two words make a group."""
