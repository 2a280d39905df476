"""The API as a document: committed for the page's types, complete, and strict about what it names.

That answers are what it says is checked in every test of a server: see `tests.lab.answers`.
"""

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from tests.lab.answers import checked

from convscope.lab.web.app import ROUTERS, typed_answers
from convscope.lab.web.routes.answers.common import answers
from convscope.lab.web.routes.answers.documents import DOCUMENTS

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ROOT / "lab-ui"
OPEN = {"Embedding", "TrainingEvent"}
"""Types that leave out fields: those of every document, and those of the document `training`."""

pytestmark = pytest.mark.skipif(
    not SOURCES.is_dir(), reason="the sources of the page are not in this installation"
)


def dumped() -> str:
    path = ROOT / "scripts" / "dump_openapi.py"
    spec = importlib.util.spec_from_file_location("dump_openapi", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.openapi()


def committed() -> dict[str, Any]:
    return json.loads((SOURCES / "openapi.json").read_text(encoding="utf-8"))


def named(schema: Any) -> set[str]:
    """Names of the schemas to which a part of the document refers."""
    return set(re.findall(r"#/components/schemas/(\w+)", json.dumps(schema)))


def test_the_committed_document_is_that_of_the_application() -> None:
    text = (SOURCES / "openapi.json").read_text(encoding="utf-8")
    assert text == dumped(), "stale: make types"


def test_the_pages_types_name_every_schema_and_path_of_the_document() -> None:
    """`npm run check` compares them letter by letter; this notices the same where there is no Node."""
    types, api = (SOURCES / "src" / "lib" / "schema.ts").read_text(encoding="utf-8"), committed()
    assert set(re.findall(r'^    "(/[^"]*)": \{$', types, re.MULTILINE)) == set(api["paths"])
    schemas = types.partition("    schemas: {")[2].partition("\n    };")[0]
    assert set(re.findall(r"^        (\w+): ", schemas, re.MULTILINE)) == set(api["components"]["schemas"])


def test_every_answer_in_json_names_its_type() -> None:
    typed, seen = typed_answers(), 0
    for path, operations in committed()["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                if status.startswith("2") and "application/json" in response.get("content", {}):
                    seen += 1
                    assert (path, method) in typed, f"{method} {path}: write @answers below the route"
                    assert named(response), f"{method} {path}"
            assert named(operation["responses"]["default"]) == {"Refused"}
    routes = [route for router in ROUTERS for route in router.routes]
    assert 30 < seen == len(typed) < len(routes)


def test_no_type_has_fields_that_are_not_named() -> None:
    api = committed()
    schemas, left = api["components"]["schemas"], {"FrameHeader", "JobEvent", "LiveAnswer", "Training"}
    left |= {kind.__name__ for kind in DOCUMENTS.values()}
    for operations in api["paths"].values():
        for operation in operations.values():
            left |= named(operation["responses"])
    seen = set[str]()
    while left:
        name = left.pop()
        seen.add(name)
        left |= named(schemas[name]) - seen
    fields = {name for name in seen if "properties" in schemas[name]}
    assert len(fields) > 60 and schemas.keys() >= {"AnyMessage", *OPEN}
    assert {name for name in fields if schemas[name].get("additionalProperties") is not False} <= OPEN


def test_the_checks_of_answers_find_what_is_wrong() -> None:
    app, faults = FastAPI(), list[str]()

    @app.get("/api/{id}")
    @answers(list[dict[str, int]])
    def get_values(id: str) -> Any:
        return [{"a": id}] if id == "wrong" else [{"a": 3}]

    app.state.answers = {("/api/{id}", "get"): get_values.answer}  # pyright: ignore
    client = TestClient(checked(app, faults))
    assert client.get("/api/right").json() == [{"a": 3}] and not faults
    assert client.get("/api/wrong").json() == [{"a": "wrong"}] and "get /api/wrong" in faults[0]
    assert client.get("/other").status_code == client.post("/api/right").status_code - 1 == 404
    assert len(faults) == 2 and "post /api/right" in faults[1]  # an error of another form
