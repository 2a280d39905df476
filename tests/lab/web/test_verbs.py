"""Verbs over HTTP: the schema that forms are made of agrees with the one that validates."""

import pytest

from convscope.jobs.registry import JOBS, load
from convscope.lab.web.jobs import NOT_OFFERED


@pytest.fixture(scope="module")
def client(serve):
    return serve()


@pytest.fixture(scope="module")
def schemas(client):
    verbs = client("GET", "/api/v1/verbs").json
    return {e["verb"]: client("GET", f"/api/v1/verbs/{e['verb'].replace(' ', '%20')}").json for e in verbs}


def test_every_verb_that_is_offered_has_a_sentence_help_and_all_its_fields(client, schemas) -> None:
    assert list(schemas) == [verb for verb in JOBS if verb not in NOT_OFFERED]
    for verb, found in schemas.items():
        module = load(verb)
        assert found["summary"] == (module.__doc__ or "").partition("\n")[0]
        assert "convscope" in found["help"]
        assert {field["name"] for field in found["fields"]} == set(module.schema.model_fields), verb
        positional = [field["name"] for field in found["fields"] if field["positional"]]
        assert tuple(positional) == module.schema.positional
        assert all(field["help"] and field["flag"].startswith("--") for field in found["fields"]), verb


def test_what_is_beyond_a_limit_of_a_form_is_refused_by_the_schema(schemas) -> None:
    from pydantic import ValidationError

    tried = 0
    for verb, found in schemas.items():
        schema = load(verb).schema
        for field in found["fields"]:
            name, kind = field["name"], field["type"]
            for side, beyond in (("minimum", -1), ("maximum", 1)):
                limit = field[side]
                if kind not in ("integer", "number") or limit is None or field["repeats"]:
                    continue
                tried += 1
                bad = limit + beyond
                with pytest.raises(ValidationError) as refused:
                    schema.model_validate({name: bad})
                assert any(error["loc"][:1] == (name,) for error in refused.value.errors()), (verb, name, bad)
    assert tried > 60


def test_kinds_of_fields(schemas) -> None:
    fields = {field["name"]: field for field in schemas["dream"]["fields"]}
    assert fields["photo"]["takes"] == "a picture" and fields["photo"]["positional"]
    assert fields["device"]["type"] == "choice" and "cpu" in fields["device"]["choices"]
    assert (fields["seed"]["type"], fields["seed"]["minimum"], fields["seed"]["default"]) == ("integer", 0, 0)
    train = {field["name"]: field for field in schemas["train"]["fields"]}
    assert train["epochs"]["type"] == "integer" and train["epochs"]["minimum"] is not None
    kinds = {field["type"] for found in schemas.values() for field in found["fields"]}
    assert kinds <= {"switch", "choice", "integer", "number", "text", "table"}


def test_a_verb_that_is_not_offered_is_not_there(client) -> None:
    for verb in ("lab", "gtp", "nowhere", "run%20time"):
        found = client("GET", f"/api/v1/verbs/{verb}")
        assert found.status == 404
        assert found.json["error"]["hint"]
