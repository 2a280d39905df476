"""Write the lab's API as an OpenAPI document, from the application, without a server.

    python scripts/dump_openapi.py            # lab-ui/openapi.json
    python scripts/dump_openapi.py --check    # fails where that is stale

The page's types are made of it, by `npm run types` in lab-ui; `make types` does both.
"""

import json
import sys
from pathlib import Path
from typing import Any

from convscope.lab.recipe import LabRecipe
from convscope.lab.web.app import create
from convscope.lab.web.reference.page import document
from convscope.lab.web.state import LabState

FILE = Path(__file__).resolve().parents[1] / "lab-ui" / "openapi.json"


def openapi() -> str:
    """Return the document as JSON; the version of the package is no part of it."""
    found: dict[str, Any] = document(create(LabState(LabRecipe.parse({}), 0)))
    found = {**found, "info": {"title": "convscope", "version": "v1"}}
    return json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        if not FILE.is_file() or FILE.read_text(encoding="utf-8") != openapi():
            sys.exit(f"{FILE.name} is stale; write it anew, and the page's types: make types")
    else:
        FILE.write_text(openapi(), encoding="utf-8")
