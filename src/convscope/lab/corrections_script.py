"""The corrections of a folder as a program of its own, which does the same in the user's folder."""

from collections.abc import Sequence

SCRIPT = '''#!/usr/bin/env python3
"""Make the corrections of a data set in the folder itself, or take them back.

    python corrections.py FOLDER
    python corrections.py FOLDER --undo

Nothing is deleted: what is removed from the data goes to FOLDER.removed, beside the folder.
"""

import sys
from pathlib import Path

# Each file, and where it goes; None where it is removed from the data.
CHANGES = {changes}


def main(folder, undo):
    root = Path(folder).resolve()
    removed = root.with_name(root.name + ".removed")
    pairs = [(root / old, root / new if new else removed / old) for old, new in CHANGES]
    if undo:
        pairs = [(new, old) for old, new in pairs]
    missing = [old for old, _ in pairs if not old.is_file()]
    leaving = {{old for old, _ in pairs}}
    taken = [new for _, new in pairs if new.exists() and new not in leaving]
    for path in missing:
        print(f"not there: {{path}}")
    for path in taken:
        print(f"there already: {{path}}")
    if missing or taken:
        print("Nothing was changed.")
        return 1
    between = [old.with_name(f".correction-{{number}}-{{old.name}}") for number, (old, _) in enumerate(pairs)]
    for (old, _), place in zip(pairs, between):
        old.rename(place)
    for (old, new), place in zip(pairs, between):
        new.parent.mkdir(parents=True, exist_ok=True)
        place.rename(new)
        print(f"{{old}} -> {{new}}")
    return 0


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--undo"]
    if len(words) != 1 or not Path(words[0]).is_dir():
        sys.exit(__doc__)
    sys.exit(main(words[0], "--undo" in sys.argv))
'''


def script(moves: Sequence[tuple[str, str | None]]) -> str:
    """Write the program.

    Args:
        moves: for each file its name below the folder, and the one that it gets; None where it is removed.

    Returns:
        Python source that needs nothing but Python.
    """
    lines = "".join(f"    ({old!r}, {new!r}),\n" for old, new in moves)
    return SCRIPT.format(changes=f"[\n{lines}]" if lines else "[]")
