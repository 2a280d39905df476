"""The reference of the API at `/docs`, and its OpenAPI document: made of the routes and their docstrings.

The page is written here, so that nothing comes from another server.
"""

import re
from inspect import cleandoc
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse

TEMPLATES = Path(__file__).with_name("templates")
SECTIONS = re.compile(r"^(Args|Returns|Yields|Raises):[ ]*$", re.MULTILINE)
ARGUMENT = re.compile(r"^(\w+): (.*(?:\n[ ]+.*)*)", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")

router = APIRouter(include_in_schema=False)


@router.get("/api/v1/openapi.json")
def openapi(request: Request) -> dict[str, Any]:
    """Return the API as an OpenAPI document.

    Args:
        request: its application is described.

    Returns:
        The document.
    """
    return document(request.app)


@router.get("/docs")
def reference(request: Request) -> HTMLResponse:
    """Return the API as a page.

    Args:
        request: its application is described.

    Returns:
        The page.
    """
    from jinja2 import Environment, FileSystemLoader  # not before it is asked for: the first page waits
    from markupsafe import Markup, escape

    api = document(request.app)
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    environment.filters["code"] = lambda text: Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))
    page = environment.get_template("reference.html")
    schemas = api.get("components", {}).get("schemas", {})
    text = page.render(api=api, groups=_groups(api), schemas=schemas, base=str(request.base_url).rstrip("/"))
    return HTMLResponse(text)


@router.get("/docs/reference.css")
def style() -> FileResponse:
    """Return the style of the page.

    Returns:
        The file.
    """
    return FileResponse(TEMPLATES / "reference.css", media_type="text/css")


def document(app: FastAPI) -> dict[str, Any]:
    """Return an application's OpenAPI document, with types of answers and the sections of docstrings.

    Args:
        app: the application, as `app.create` builds it; the document is made once.

    Returns:
        The document.
    """
    from fastapi.openapi.utils import get_openapi

    from convscope.lab.web.reference.schemas import add_schemas

    found = getattr(app.state, "openapi", None)
    if found is None:
        found = get_openapi(title="convscope", version=app.version, routes=app.routes)
        for path in found["paths"].values():
            for operation in path.values():
                _describe(operation)
        add_schemas(found, app.state.answers)
        found["components"].setdefault("securitySchemes", {})["token"] = {"type": "http", "scheme": "bearer"}
        found["security"] = [{"token": []}]
        app.state.openapi = found
    return found


def _describe(operation: dict[str, Any]) -> None:
    """Move the sections of a docstring to parameters and responses."""
    text, *rest = SECTIONS.split(operation.get("description", ""))
    sections = dict(zip(rest[::2], rest[1::2], strict=True))
    summary, _, more = text.strip().partition("\n\n")
    operation["summary"] = " ".join(summary.split())
    operation["description"] = " ".join(more.split())
    said = {
        name: " ".join(about.split()) for name, about in ARGUMENT.findall(cleandoc(sections.get("Args", "")))
    }
    for parameter in operation.get("parameters", ()):
        parameter.setdefault("description", said.get(parameter["name"].replace("-", "_").lower(), ""))
    returned = " ".join((sections.get("Returns") or sections.get("Yields") or "").split())
    for status, response in operation["responses"].items():
        if status.startswith("2") and returned:
            response["description"] = returned


def _groups(api: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the operations by their tag, in the order of the routes."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, operations in api["paths"].items():
        for method, operation in operations.items():
            entry = {"path": path, "method": method.upper(), "body": _body(operation), **operation}
            groups.setdefault((operation.get("tags") or ["other"])[0], []).append(entry)
    return groups


def _body(operation: dict[str, Any]) -> str:
    """Return the name of the schema of a request's body; empty where there is none."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return content.get("schema", {}).get("$ref", "").rpartition("/")[2]
