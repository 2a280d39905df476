"""Files that users hand over: kept by their checksum, never opened here, never served as they came."""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool

from convscope.errors import DataError
from convscope.lab.folder import UPLOAD, LabFolder
from convscope.system.files import read_json, replace_file, write_text

MAX_BYTES = 16 * 2**30
"""Bytes of all uploads together."""
MAX_NAME_LENGTH = 255
"""Characters of a name that are kept."""


@dataclass(frozen=True)
class Upload:
    """A file that was handed over.

    Attributes:
        id: SHA-256 of its bytes, in hexadecimal.
        bytes: its size.
        name: what the user calls it; text to be shown, never a path to be opened.
    """

    id: str
    bytes: int
    name: str


class Uploads:
    """The folder of uploads.

    Args:
        lab: the lab's folder; that of the uploads is made when the first comes.
    """

    def __init__(self, lab: LabFolder) -> None:
        self.lab, self.folder = lab, lab.internal / "uploads"

    async def receive(self, chunks: AsyncIterator[bytes], name: str) -> Upload:
        """Store a file.

        Args:
            chunks: its bytes; their number is limited by the server.
            name: what the user calls it.

        Returns:
            The upload; the same bytes are stored once.

        Raises:
            DataError: it is empty, or there is no room.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        checksum, data = hashlib.sha256(), bytearray()
        room = MAX_BYTES - await run_in_threadpool(self._used)
        async for chunk in chunks:
            data += chunk
            checksum.update(chunk)
        if not data:
            hint = "Look whether the file is whole, and send its bytes as the body."
            raise DataError(
                "a file with something in it", received=f"{sanitize_name(name)}: 0 bytes", hint=hint
            )
        if len(data) > room:
            raise DataError("room for uploads", hint="Remove some files of the folder .lab/uploads.")
        upload = Upload(checksum.hexdigest(), len(data), sanitize_name(name))
        await run_in_threadpool(self._write, upload, bytes(data))
        return upload

    def _used(self) -> int:
        """Return the bytes of all uploads; files that are being written do not count."""
        return sum(file.stat().st_size for file in self.folder.iterdir() if UPLOAD.fullmatch(file.name))

    def _write(self, upload: Upload, data: bytes) -> None:
        write_text(self.folder / f"{upload.id}.json", json.dumps(asdict(upload)))
        with replace_file(self.folder / upload.id) as part:
            part.write_bytes(data)

    def find(self, number: str) -> Upload:
        """Return an upload.

        Args:
            number: its id.

        Returns:
            The upload.

        Raises:
            PlaceError: there is none of this id.
        """
        path = self.lab.upload(number)
        found: dict[str, Any] = read_json(path.with_suffix(".json"))
        return Upload(number, path.stat().st_size, str(found.get("name", "")))


def sanitize_name(name: str) -> str:
    """Return a name as it is kept: without control characters, and not too long.

    Args:
        name: any text.

    Returns:
        The text; `file` if nothing is left.
    """
    return "".join(letter for letter in name if letter.isprintable())[:MAX_NAME_LENGTH].strip() or "file"
