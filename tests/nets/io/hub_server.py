"""A loopback server that answers as the Hugging Face Hub does, with repositories in memory.

For the package `huggingface_hub` itself: repositories, branches, commits of files in the JSON lines of its
API, and downloads by commit. Every request without the token is refused.

Source: https://huggingface.co/docs/hub/api
"""

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_loopback"
API = re.compile(r"/api/models/([^/]+/[^/]+)(?:/(revision|branch|preupload|commit|tree)/(.+))?")
FILE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


class HubServer(ThreadingHTTPServer):
    """The repositories: of each its branches, and of each commit its files.

    Attributes:
        branches: the commit of each branch, by the repository's name.
        commits: the files of each commit, by name.
        private: whether a repository was made private.
        asked: methods and paths of all requests.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.branches: dict[str, dict[str, str]] = {}
        self.commits: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        """The value of HF_ENDPOINT."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def commit_of(self, repo: str, revision: str) -> str | None:
        """Return a commit by its own name or by its branch; None where there is none."""
        own = self.branches.get(repo, {})
        return revision if revision in own.values() else own.get(revision)

    def add(self, repo: str, files: dict[str, bytes], branch: str) -> str:
        """Add a commit to a branch; return its name."""
        parent = self.branches[repo][branch]
        whole = {**self.commits[parent], **files}
        commit = sha1(parent.encode() + b"".join(whole[name] for name in sorted(whole))).hexdigest()
        self.commits[commit] = whole
        self.branches[repo][branch] = commit
        return commit


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self._admitted():
            return
        path = unquote(urlsplit(self.path).path)
        if path == "/api/repos/create":
            self._create(json.loads(body))
            return
        found = API.fullmatch(path)
        repo, action, revision = found.groups() if found else ("", "", "")
        if repo not in self.server.branches:
            self._refuse(404, "RepoNotFound")
        elif action == "branch":
            self.server.branches[repo].setdefault(revision, self.server.branches[repo]["main"])
            self._answer({})
        elif self.server.commit_of(repo, revision) is None:
            self._refuse(404, "RevisionNotFound")
        elif action == "preupload":
            names = [file["path"] for file in json.loads(body)["files"]]
            self._answer(
                {"files": [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]}
            )
        elif action == "commit":
            lines = [json.loads(line) for line in body.splitlines()]
            files = [line["value"] for line in lines if line["key"] == "file"]
            commit = self.server.add(
                repo, {f["path"]: base64.b64decode(f["content"]) for f in files}, revision
            )
            url = f"{self.server.url}/{repo}/commit/{commit}"
            self._answer({"success": True, "commitOid": commit, "commitUrl": url, "hookOutput": ""})
        else:
            self._refuse(404, "EntryNotFound")

    def do_GET(self) -> None:
        if not self._admitted():
            return
        path = unquote(urlsplit(self.path).path)
        if file := FILE.fullmatch(path):
            self._send_file(*file.groups())
            return
        found = API.fullmatch(path)
        repo, action, revision = found.groups() if found else ("", "", "")
        commit = self.server.commit_of(repo, revision or "main")
        if repo not in self.server.branches:
            self._refuse(404, "RepoNotFound")
        elif commit is None:
            self._refuse(404, "RevisionNotFound")
        elif action == "tree":
            files = self.server.commits[commit]
            self._answer(
                [
                    {"type": "file", "path": name, "size": len(data), "oid": sha1(data).hexdigest()}
                    for name, data in files.items()
                ]
            )
        else:
            names = [{"rfilename": name} for name in self.server.commits[commit]]
            self._answer({"id": repo, "sha": commit, "siblings": names})

    do_HEAD = do_GET

    def _admitted(self) -> bool:
        self.server.asked.append(f"{self.command} {self.path}")
        if self.headers.get("Authorization") == f"Bearer {TOKEN}":
            return True
        self._refuse(401, "Unauthorized")
        return False

    def _create(self, wanted: dict[str, Any]) -> None:
        repo = f"{wanted['organization']}/{wanted['name']}"
        if repo in self.server.branches:
            self._refuse(409, "RepoExists")
            return
        first = sha1(repo.encode()).hexdigest()
        self.server.branches[repo], self.server.commits[first] = {"main": first}, {}
        self.server.private[repo] = bool(wanted.get("private")) or wanted.get("visibility") == "private"
        self._answer({"url": f"{self.server.url}/{repo}", "name": repo, "id": repo})

    def _send_file(self, repo: str, revision: str, name: str) -> None:
        commit = self.server.commit_of(repo, revision)
        data = self.server.commits.get(commit or "", {}).get(name)
        if commit is None or data is None:
            self._refuse(404, "EntryNotFound" if commit else "RevisionNotFound")
            return
        self._send(200, data, {"X-Repo-Commit": commit, "ETag": f'"{sha1(data).hexdigest()}"'})

    def _answer(self, document: object) -> None:
        self._send(200, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, json.dumps({"error": code}).encode(), {"X-Error-Code": code})

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


@contextmanager
def hub_server() -> Iterator[HubServer]:
    """Serve an empty Hub on a free port of the loopback interface."""
    server = HubServer()
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
