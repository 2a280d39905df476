"""The pages: one bundle, served for every address that the page itself knows."""

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, HTMLResponse, Response

STATIC = Path(__file__).resolve().parents[1] / "static"
"""The built bundle."""
PAGES = (
    *("/", "/m/{net}", "/m/{net}/{layer}", "/m/{net}/{layer}/{unit}", "/build", "/train", "/explain"),
    *("/dream", "/dream/{mode}", "/atlas", "/go", "/use", "/do/{verb}", "/jobs", "/jobs/{id}"),
)
"""Addresses of pages, as `lab-ui/src/pages/index.ts` has them; the browser decides what is shown there."""
UNBUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>convscope lab</title>
<h1>The page of the lab is not built</h1>
<p>The server runs, but this checkout has no built page. Build it once, with Node 20 or newer:</p>
<pre>cd lab-ui &amp;&amp; npm ci &amp;&amp; npm run build</pre>
<p>The API answers already: <a href="/api/v1/status">/api/v1/status</a>.</p></html>"""

router = APIRouter(include_in_schema=False)


def page() -> Response:
    """Return the page, or one that says how to build it."""
    index = STATIC / "index.html"
    headers = {"Cache-Control": "no-cache"}
    if not index.is_file():
        return HTMLResponse(UNBUILT, headers=headers)
    return FileResponse(index, media_type="text/html", headers=headers)


for path in PAGES:
    router.add_api_route(path, page, methods=["GET"])
