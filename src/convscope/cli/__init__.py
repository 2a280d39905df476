"""The terminal: `convscope VERB ...`. One small file per verb in `cli/verbs`, no logic."""


def main() -> None:
    """Run the command line and leave with its exit code."""
    import sys

    from convscope.cli import signals

    sys.exit(signals.run(sys.argv[1:]))
