"""The terminal: `convscope VERB ...`. It runs jobs, and shows their progress, documents and errors."""


def main() -> None:
    """Run the command line and leave with its exit code."""
    import sys

    from convscope.system import signals

    words = sys.argv[1:]
    signals.install(words)
    try:
        from convscope.cli.core import app
    except ImportError as error:
        sys.exit(_broken(error, words))
    try:
        signals.starting()
        code = app.run(words)
        signals.done()
    except KeyboardInterrupt:
        signals.leave()
        raise
    sys.exit(code)


def _broken(error: ImportError, words: list[str]) -> int:
    """Tell that the installation lacks what even an error message needs."""
    import json
    import sys

    expected, hint = (
        "every package that convscope needs",
        "Install again: pip install --force-reinstall convscope",
    )
    said = f"expected {expected}; received {error}"
    if "--json" in words:
        fields = {
            "said": said,
            "expected": expected,
            "received": str(error),
            "hint": hint,
            "exit_code": 4,
        }
        print(json.dumps({"error": fields}, indent=2))
    else:
        print(f"error: {said}\n  next: {hint}", file=sys.stderr)
    return 4
