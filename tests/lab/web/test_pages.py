"""Pages, their files and the reference of the API."""

import re
from pathlib import Path

import pytest

from convscope.lab.web.pages import PAGES, STATIC


@pytest.fixture(scope="module")
def client(serve):
    return serve()


def test_every_page_is_the_bundle_and_other_addresses_are_not_there(client) -> None:
    index = (STATIC / "index.html").read_bytes()
    for path in (
        "/",
        "/m/digits",
        "/m/digits/conv2?units=1,5,7",
        "/m/digits/conv2/7?embed=true",
        "/build",
        "/jobs/3",
        "/do/visualize",
        "/use",
    ):
        found = client("GET", path)
        assert (found.status, found.body) == (200, index), path
        assert found.headers["cache-control"] == "no-cache"
        assert found.headers["content-type"].startswith("text/html")
    for path in (
        "/nowhere",
        "/m",
        "/assets/nowhere.js",
        "/api/v1/nowhere",
        "/static/index.html",
        "/jobs/1/2/3",
    ):
        found = client("GET", path)
        assert found.status == 404
        assert found.json["error"]["expected"]


def test_the_server_knows_the_pages_that_the_browser_knows() -> None:
    table = Path(__file__).parents[3] / "lab-ui" / "src" / "pages" / "index.ts"
    if not table.is_file():
        pytest.skip("the sources of the page are not in this installation")
    patterns = re.findall(r"pattern: '([^']+)'", table.read_text(encoding="utf-8"))
    assert len(patterns) > 5
    assert sorted(re.sub(r":(\w+)", r"{\1}", pattern) for pattern in patterns) == sorted(PAGES)


def test_the_files_that_the_page_names_are_there_and_are_asked_again_only_when_they_change(client) -> None:
    index = (STATIC / "index.html").read_text(encoding="utf-8")
    names = re.findall(r'(?:src|href)="(/assets/[^"]+)"', index)
    assert names
    for name in names:
        found = client("GET", name)
        assert found.status == 200 and found.body == (STATIC / name[1:]).read_bytes()
        again = client("GET", name, if_none_match=found.headers["etag"])
        assert again.status == 304
        assert client("GET", name, authorization="").status == 401


def test_the_reference_names_every_route_and_loads_nothing_from_elsewhere(client) -> None:
    api = client("GET", "/api/v1/openapi.json").json
    page = client("GET", "/docs").body.decode()
    assert len(api["paths"]) > 15
    for path, operations in api["paths"].items():
        assert path in page
        for method, operation in operations.items():
            assert operation["summary"].endswith("."), (method, path)
            assert "Args:" not in operation["description"] and "Returns:" not in operation["description"]
            for parameter in operation.get("parameters", ()):
                assert parameter["description"], (method, path, parameter["name"])
    assert not re.findall(r'(?:src|href)="(?!/|#)', page)
    assert client("GET", "/docs/reference.css").headers["content-type"].startswith("text/css")


def test_programs_that_are_shown_name_this_server_and_the_network(client) -> None:
    found = client("GET", "/api/v1/networks/torchvision~resnet18/classify").json
    address = f"http://127.0.0.1:{client.server.port}/api/v1/networks/torchvision~resnet18/classify"
    assert address in found["curl"] and address in found["python"]
    assert "--net torchvision/resnet18" in found["terminal"]
    hostile = client("GET", "/api/v1/networks/a'%22;rm%20-rf/classify").json
    assert "rm -rf" not in hostile["curl"] and "rm -rf" not in hostile["python"]
    compile(hostile["python"], "snippet", "exec")
