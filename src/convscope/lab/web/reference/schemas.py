"""Types of answers in the API's OpenAPI document: of routes, of the WebSocket, of documents of jobs."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from convscope.lab.web.routes.answers.common import LabError, Refused
from convscope.lab.web.routes.answers.documents import DOCUMENTS
from convscope.lab.web.routes.answers.jobs import JobEvent
from convscope.lab.web.routes.answers.live import FrameHeader, LiveAnswer
from convscope.lab.web.routes.answers.training import Training
from convscope.lab.web.websocket.messages import AnyMessage

REFERENCE = "#/components/schemas/{model}"
FAULTS = ("422", "default")
"""Statuses of a route's responses that say what went wrong: FastAPI's own, and ours."""
FASTAPI_FAULTS = ("HTTPValidationError", "ValidationError")
BESIDE: Mapping[str, Any] = {
    "FrameHeader": FrameHeader,
    "JobEvent": JobEvent,
    "LabError": LabError,
    "LiveAnswer": LiveAnswer,
    "Refused": Refused,
    "Training": Training,
    **{kind.__name__: kind for kind in DOCUMENTS.values()},
}
"""What is answered elsewhere than at a path, by the name of its schema."""
TAKEN: Mapping[str, Any] = {"AnyMessage": AnyMessage}
"""What is taken elsewhere than at a path."""


def add_schemas(document: dict[str, Any], answers: Mapping[tuple[str, str], Any]) -> None:
    """Add the types of answers to a document in which FastAPI has described the routes.

    Args:
        document: the OpenAPI document, which is changed.
        answers: types by path and method, in lower case.
    """
    schemas, definitions = TypeAdapter.json_schemas(
        [
            *((key, "serialization", TypeAdapter(kind)) for key, kind in answers.items()),
            *((name, "serialization", TypeAdapter(kind)) for name, kind in BESIDE.items()),
            *((name, "validation", TypeAdapter(kind)) for name, kind in TAKEN.items()),
        ],
        ref_template=REFERENCE,
    )
    found = {**definitions.get("$defs", {})}
    for name in (*BESIDE, *TAKEN):
        schema = schemas[name, "validation" if name in TAKEN else "serialization"]
        found |= {} if schema == {"$ref": REFERENCE.format(model=name)} else {name: schema}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            responses = operation["responses"]
            schema = schemas.get(((path, method), "serialization"))
            for status, response in responses.items():
                if status.startswith("2") and schema is not None:
                    response["content"] = {"application/json": {"schema": schema}}
            for status in FAULTS:
                responses.pop(status, None)
            responses["default"] = {
                "description": "What went wrong.",
                "content": {"application/json": {"schema": {"$ref": REFERENCE.format(model="Refused")}}},
            }
    known = document["components"]["schemas"]
    for name in FASTAPI_FAULTS:
        known.pop(name, None)
    document["components"]["schemas"] = dict(sorted({**known, **found}.items()))
    _drop_titles(document)


def _drop_titles(schema: Any, *, named: bool = False) -> None:
    """Remove what repeats a field's name as its title, and differs between releases of pydantic.

    Args:
        schema: a part of a document.
        named: whether its keys are names of fields.
    """
    if isinstance(schema, dict):
        if not named and isinstance(schema.get("title"), str):
            schema.pop("title")
        for key, value in schema.items():
            if key not in ("default", "const", "enum"):
                _drop_titles(value, named=key in ("properties", "schemas", "$defs") and not named)
    elif isinstance(schema, list):
        for entry in schema:
            _drop_titles(entry)
