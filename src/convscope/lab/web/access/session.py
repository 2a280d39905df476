"""Authentication: browsers have a cookie, for which a link is exchanged once; programs have a token.

The link that the terminal prints carries a code that works once: it is exchanged for a cookie, and a new code
is made for the next browser. The cookie is signed with a key that is kept in the lab's folder, so that a page
survives a restart of the server. No secret is written to a log, and none stays in an address.
"""

import hmac
import os
import secrets
from pathlib import Path

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response

from convscope.errors import UsageError

TOKEN_VARIABLE = "CONVSCOPE_TOKEN"
"""Environment variable with the token of programs, where it shall be the same at every start."""
MIN_TOKEN_LENGTH = 20
"""Characters of a token from the environment."""
KEY = "session.key"
"""Name of the file with the key, in the lab's folder."""
KEY_BITS = 256


class Session:
    """The secrets of one server.

    Args:
        folder: the lab's own folder, for the key.
        port: of the server: cookies do not tell ports apart, so it is a part of the cookie's name.

    Attributes:
        cookie: name of the cookie.
        token: what programs send as `Authorization: Bearer TOKEN`.
        code: what the next link carries.
        codes_used: how many codes have been used.

    Raises:
        UsageError: the token of the environment is too short, or holds what a header cannot.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.cookie = f"convscope-{port}"
        self.token = _token_from_environment() or secrets.token_urlsafe(KEY_BITS // 8)
        self.code = secrets.token_urlsafe(KEY_BITS // 8)
        self.codes_used = 0
        self._value = hmac.digest(_key(folder), self.cookie.encode(), "sha256").hex()

    @property
    def headers(self) -> dict[str, str]:
        """Headers with which programs authenticate."""
        return {"Authorization": f"Bearer {self.token}"}

    def is_authenticated(self, connection: HTTPConnection) -> bool:
        """Return whether a request has the cookie or the token.

        Args:
            connection: a request or WebSocket.

        Returns:
            Whether it is authenticated.
        """
        return _equal(connection.cookies.get(self.cookie, ""), self._value) or self.has_token(connection)

    def has_token(self, connection: HTTPConnection) -> bool:
        """Return whether a request has the token: a program's, which no page of another site can send.

        Args:
            connection: a request or WebSocket.

        Returns:
            Whether the token is right.
        """
        scheme, _, given = connection.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and _equal(given.strip(), self.token)

    def exchange_code(self, code: str) -> Response | None:
        """Exchange the code of a link for a cookie.

        Args:
            code: what the link carries.

        Returns:
            A redirection to the first page that sets the cookie; None if the code is wrong or was used.
        """
        if not _equal(code, self.code):
            return None
        self.code, self.codes_used = secrets.token_urlsafe(KEY_BITS // 8), self.codes_used + 1
        response = RedirectResponse("/", status_code=303)
        response.set_cookie(self.cookie, self._value, httponly=True, samesite="strict", path="/")
        return response


def _equal(given: str, right: str) -> bool:
    """Compare without telling by the time it takes how much is right."""
    return hmac.compare_digest(given.encode(), right.encode())


def _token_from_environment() -> str:
    token = os.environ.get(TOKEN_VARIABLE, "")
    if token and (
        len(token) < MIN_TOKEN_LENGTH or not token.isascii() or not token.isprintable() or " " in token
    ):
        raise UsageError(
            f"a token of at least {MIN_TOKEN_LENGTH} characters without spaces in {TOKEN_VARIABLE}",
            received=f"{len(token)} characters",
            hint=f'Make one: export {TOKEN_VARIABLE}="$(openssl rand -hex 32)"',
        )
    return token


def _key(folder: Path) -> bytes:
    """Return the key of the folder; made, and readable by its owner alone, if it is not there."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    path = folder / KEY
    try:
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.write(secrets.token_bytes(KEY_BITS // 8))
    except FileExistsError:  # made by an earlier lab: that one is read below
        pass
    except OSError as error:
        raise UsageError(
            "a folder that can be written to",
            received=f"{path}: {error.strerror}",
            hint="Name another: convscope lab --folder runs",
        ) from None
    key = path.read_bytes()[: KEY_BITS // 8] if path.is_file() and not path.is_symlink() else b""
    if len(key) < KEY_BITS // 8:
        raise UsageError(
            f"a key of {KEY_BITS // 8} bytes in {path}",
            received=f"{len(key)} bytes",
            hint="Remove that file, and start again: browsers then need a new link.",
        )
    return key
