"""The terminal: `convscope VERB ...`. One small file per verb in `cli/verbs`, no logic."""


def main() -> None:
    """Run the command line and leave with its exit code."""
    import io
    import sys

    from convscope.cli.app import run

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # names of files may hold what a terminal cannot show
    sys.exit(run(sys.argv[1:]))
