"""How servers on loopback are attacked: each attack of which one is known, tried on a real server."""

import base64
import hashlib
import json
import os
import socket
import time
from pathlib import Path

import pytest

INTERNAL = "http://127.0.0.1:{port}"
CHAIN = {"text": "conv 4 3x3, relu", "input": "1x8x8"}


@pytest.fixture(scope="module")
def client(serve):
    return serve()


def raw(port: int, *lines: str, body: bytes = b"", seconds: float = 10.0) -> bytes:
    """Send lines as they are, and return what comes until the server closes or nothing more comes."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        found = b""
        try:
            while b"\r\n\r\n" not in found:
                more = connection.recv(65536)
                if not more:
                    break
                found += more
        except TimeoutError:
            pass
        return found


def handshake(port: int, path: str = "/api/v1/socket", host: str | None = None, **headers: str) -> int:
    """Ask for a WebSocket, and return HTTP's status: 101 if it is opened."""
    key = base64.b64encode(os.urandom(16)).decode()
    given = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": key}
    given |= {"Sec-WebSocket-Version": "13"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in given.items()]
    found = raw(port, f"GET {path} HTTP/1.1", f"Host: {host or f'127.0.0.1:{port}'}", *lines)
    return int(found.split()[1])


WRONG_HOSTS = [
    "evil.com",
    "127.0.0.1.evil.com",
    "localhost.",
    "2130706433",
    "0.0.0.0",
    "127.1",
    "127.0.0.1@evil.com",
    "evil.com:{port}",
    "127.0.0.1/x?a=b",
    "127.0.0.1:{port}/x?a=b",
    "127.0.0.1:{port}#",
]


@pytest.mark.parametrize("host", WRONG_HOSTS)
def test_1_2_another_host_is_refused_before_routing(client, host: str) -> None:
    port = client.server.port
    host = host.format(port=port)
    found = client("GET", "/api/v1/status", host=host)
    assert found.status == 400
    assert b"version" not in found.body
    bearer = f"Bearer {client.server.session.token}"
    assert handshake(port, host=host, Authorization=bearer) in (400, 403)


def test_1_no_host_and_two_hosts_are_refused(client) -> None:
    port = client.server.port
    auth = f"Authorization: Bearer {client.server.session.token}"
    assert b" 400 " in raw(port, "GET /api/v1/status HTTP/1.1", auth).split(b"\r\n")[0]
    hosts = f"Host: 127.0.0.1:{port}", "Host: evil.com"
    assert b" 400 " in raw(port, "GET /api/v1/status HTTP/1.1", *hosts, auth).split(b"\r\n")[0]
    assert b" 400 " in raw(port, "GET /api/v1/status HTTP/1.1", *hosts[::-1], auth).split(b"\r\n")[0]


def test_1_names_of_loopback_pass_with_and_without_port(client) -> None:
    port = client.server.port
    for host in (
        "localhost",
        "127.0.0.1",
        "[::1]",
        f"localhost:{port}",
        f"[::1]:{port}",
        f"LOCALHOST:{port}",
    ):
        assert client("GET", "/api/v1/status", host=host).status == 200, host


def test_1_a_name_that_was_given_passes(serve) -> None:
    named = serve(name=["lab.example"])
    assert named("GET", "/api/v1/status", host="lab.example:80").status == 200
    assert named("GET", "/api/v1/status", host="evil.lab.example").status == 400


FOREIGN = [
    "https://evil.com",
    "http://evil.com:{port}",
    "null",
    "http://127.0.0.1",
    "http://127.0.0.1:{other}",
    "http://localhost:3000",
    "http://127.0.0.1:{port}.evil.com",
    "http://evil.com/127.0.0.1:{port}",
    "http://localhost:{port}",
    "file://",
    "",
]
"""Origins of other pages; the name of this machine is another origin than its address."""


@pytest.mark.parametrize("origin", FOREIGN)
def test_3_4_6_7_another_origin_is_refused_and_gets_no_permission(client, origin: str) -> None:
    port = client.server.port
    cookie, origin = client.enter(), origin.format(port=port, other=port + 1)
    for method in ("GET", "POST", "OPTIONS", "PUT", "DELETE"):
        given = {"origin": origin} if origin else {}
        found = client(method, "/api/v1/graph", CHAIN, cookie=cookie, authorization="", **given)
        assert found.status == (405 if method == "GET" and not origin else 403), method
        assert not [name for name in found.headers if name.startswith("access-control")]
    given = {"Origin": origin} if origin else {}
    assert handshake(port, Cookie=cookie, **given) == 403


def test_3_no_permission_for_other_origins_with_the_token_either(client) -> None:
    for method in ("OPTIONS", "GET", "POST"):
        found = client(method, "/api/v1/graph", CHAIN, origin="https://evil.com")
        assert found.status == 403
        assert not [name for name in found.headers if name.startswith("access-control")]


def test_4_no_origin_only_with_the_token(client) -> None:
    cookie = client.enter()
    assert client("POST", "/api/v1/graph", CHAIN, cookie=cookie, authorization="").status == 403
    assert client("POST", "/api/v1/graph", CHAIN).status == 200
    own = INTERNAL.format(port=client.server.port)
    assert client("POST", "/api/v1/graph", CHAIN, cookie=cookie, authorization="", origin=own).status == 200


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "application/json"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_5_6_a_request_of_another_site_is_refused_whatever_its_form(client, kind: str, site: str) -> None:
    """Forms and text need no preflight; `same-site` is a page on another port of this machine."""
    cookie, own = client.enter(), INTERNAL.format(port=client.server.port)
    given = {"cookie": cookie, "authorization": "", "content_type": kind}
    body = json.dumps(CHAIN).encode()
    for origin in ({}, {"origin": own}, {"origin": "http://localhost:3000"}):
        assert client("POST", "/api/v1/graph", body, sec_fetch_site=site, **origin, **given).status == 403
    assert (
        client("GET", "/api/v1/status", sec_fetch_site=site, sec_fetch_mode="no-cors", **given).status == 403
    )
    assert handshake(client.server.port, Cookie=cookie, Origin=own, Sec_Fetch_Site=site) == 403


def test_5_a_body_that_is_not_declared_as_json_is_not_taken_for_json(client) -> None:
    found = client("POST", "/api/v1/graph", json.dumps(CHAIN).encode(), content_type="text/plain")
    assert found.status == 422


def test_6_a_link_on_another_site_may_lead_to_a_page(client) -> None:
    given = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "cookie": client.enter()}
    assert client("GET", "/build", authorization="", **given).status == 200


def test_6_the_cookie_is_this_ports_alone(client, serve) -> None:
    other = serve()
    assert other("GET", "/api/v1/status", cookie=client.enter(), authorization="").status == 401
    assert str(client.server.port) in client.enter()


def test_7_a_socket_needs_the_session_before_it_is_opened(client) -> None:
    port, own = client.server.port, INTERNAL.format(port=client.server.port)
    assert handshake(port, Origin=own) == 401
    assert handshake(port, Origin=own, Cookie=f"convscope-{port}=x") == 401
    assert handshake(port, Authorization="Bearer wrong") in (401, 403)
    assert handshake(port, Origin="https://evil.com", Cookie=client.enter()) == 403


def test_8_the_link_is_used_once_and_leaves_no_trace(client, capfd) -> None:
    code = client.server.session.code
    found = client("GET", f"/?token={code}&next=//evil.com", authorization="")
    assert (found.status, found.headers["location"]) == (303, "/")
    cookie = found.headers["set-cookie"]
    assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower() and code not in cookie
    assert found.headers["referrer-policy"] == "no-referrer"
    assert client("GET", f"/?token={code}", authorization="").status == 401
    held = cookie.partition(";")[0]
    again = client("GET", f"/?token={code}", authorization="", cookie=held)
    assert (again.status, again.headers["location"]) == (303, "/")
    assert (
        client("GET", f"//evil.com/?token={client.server.session.code}", authorization="").headers["location"]
        == "/"
    )
    said = capfd.readouterr()
    assert code not in said.out + said.err
    assert client.server.session.token not in said.out + said.err


def test_8_what_is_wrong_is_refused(client) -> None:
    for path in ("/?token=", "/?token=x", f"/?token={client.server.session.token}", "/api/v1/status"):
        assert client("GET", path, authorization="").status == 401
    for header in (
        "Bearer ",
        "Bearer x",
        f"Basic {client.server.session.token}",
        client.server.session.token,
    ):
        assert client("GET", "/api/v1/status", authorization=header).status == 401
    found = client("GET", "/api/v1/status", cookie=f"convscope-{client.server.port}=\xff", authorization="")
    assert found.status == 401


PATHS = [
    "..",
    "../../etc/passwd",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%5c..%5cwindows%5cwin.ini",
    "%2fetc%2fpasswd",
    "C:%5cwindows%5cwin.ini",
    "%23",
    "a%00b",
    "....//....//etc/passwd",
    "%252e%252e%252fetc%252fpasswd",
    "0" * 64,
    "A" * 64,
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("prefix", ["/assets/", "/api/v1/uploads/", "/"])
def test_9_no_path_of_a_client_is_opened(client, prefix: str, path: str) -> None:
    found = client("GET", prefix + path)
    assert found.status in (404, 405), found.body
    assert b"root:" not in found.body
    if prefix == "/api/v1/uploads/":
        assert client("GET", f"{prefix}{path}/preview").status == 404


def test_9_a_link_in_the_folder_of_uploads_is_not_followed(serve, tmp_path: Path) -> None:
    linked = serve(folder=tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("secret")
    number = hashlib.sha256(b"x").hexdigest()
    uploads = tmp_path / ".lab" / "uploads"
    uploads.mkdir(parents=True)
    (uploads / number).symlink_to(secret)
    (uploads / f"{number}.json").write_text('{"name": "x"}')
    assert linked("GET", f"/api/v1/uploads/{number}").status == 404


SCRIPT = b"<script>alert(1)</script>"
PAGES = {
    "a.html": b"<!doctype html>" + SCRIPT,
    "a.svg": b'<svg xmlns="http://www.w3.org/2000/svg">' + SCRIPT + b"</svg>",
    "a.xhtml": b'<html xmlns="http://www.w3.org/1999/xhtml">' + SCRIPT + b"</html>",
    "a.png": b"\x89PNG\r\n\x1a\n" + SCRIPT,
}


@pytest.mark.parametrize("name", PAGES)
def test_11_what_was_uploaded_is_never_served_as_it_came(client, name: str) -> None:
    kept = client("PUT", "/api/v1/uploads", PAGES[name], x_filename=name)
    assert kept.status == 201
    number = kept.json["id"]
    for path in (f"/api/v1/uploads/{number}", f"/uploads/{number}", f"/runs/.lab/uploads/{number}"):
        found = client("GET", path)
        assert SCRIPT not in found.body
        assert found.headers["x-content-type-options"] == "nosniff"
    assert kept.json == {
        "id": hashlib.sha256(PAGES[name]).hexdigest(),
        "bytes": len(PAGES[name]),
        "name": name,
    }


def test_11_every_response_has_the_policy(client) -> None:
    for method, path in (("GET", "/"), ("GET", "/nowhere"), ("GET", "/api/v1/status"), ("POST", "/api/v1/x")):
        found = client(method, path)
        policy = found.headers["content-security-policy"]
        assert "unsafe" not in policy and "default-src 'self'" in policy and "http" not in policy
        assert found.headers["x-content-type-options"] == "nosniff"
        assert found.headers["cross-origin-opener-policy"] == "same-origin"
        assert found.headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in found.headers


@pytest.mark.parametrize(("method", "path"), [("POST", "/api/v1/graph"), ("PUT", "/api/v1/uploads")])
def test_12_a_body_that_is_too_large_is_refused_before_it_comes(client, method: str, path: str) -> None:
    port, started = client.server.port, time.monotonic()
    auth = f"Authorization: Bearer {client.server.session.token}"
    head: tuple[str, ...] = (
        f"{method} {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        auth,
        "Content-Type: application/json",
    )
    found = raw(port, *head, f"Content-Length: {10 * 2**30}", body=b'{"text": ')
    assert found.split(b"\r\n")[0].split()[1] == b"413"
    assert time.monotonic() - started < 5
    chunk = b"%x\r\n" % 2**16 + b"a" * 2**16 + b"\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall("\r\n".join([*head, "Transfer-Encoding: chunked", "", ""]).encode())
        sent = 0
        try:
            for _ in range(2000):  # 128 MiB, if they were taken
                connection.sendall(chunk)
                sent += 2**16
        except OSError:
            pass
        assert sent < 48 * 2**20, "the server has read it all"
    assert not list((client.server.state.uploads.folder).glob("*part*"))


def test_12_an_upload_of_the_allowed_size_is_taken_and_json_of_that_size_is_not(client) -> None:
    body = os.urandom(2**20 + 1)
    assert client("PUT", "/api/v1/uploads", body).status == 201
    found = client("POST", "/api/v1/graph", {"text": "a" * 2**20, "input": "1x8x8"})
    assert found.status == 413
    assert client("PUT", "/api/v1/uploads", b"").status == 422


def test_13_text_of_users_is_text(client) -> None:
    hostile = "<script>alert(1)</script>\x1b[31m"
    found = client("POST", "/api/v1/graph", {"text": hostile, "input": "1x8x8"})
    assert found.headers["content-type"] == "application/json"
    assert found.json["errors"]
    kept = client("PUT", "/api/v1/uploads", b"x", x_filename="%3Cscript%3E%1B%00%0A..%2F..%2Fx" + "y" * 900)
    assert kept.json["name"].startswith("<script>../../x")
    assert kept.json["name"].isprintable() and len(kept.json["name"]) <= 255
    assert {path.name for path in client.server.state.uploads.folder.iterdir()} >= {kept.json["id"]}
