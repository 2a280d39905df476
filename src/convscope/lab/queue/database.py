"""The SQLite file: one connection for each thread, and transactions that wait for each other."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convscope.errors import DataError

VERSION = 2
"""Version of the tables, in the file's `user_version`."""
WAIT = 10.0
"""Seconds to wait for another process that writes."""
TABLES = """
CREATE TABLE IF NOT EXISTS job (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  verb TEXT NOT NULL,
  settings TEXT NOT NULL,
  uploads TEXT NOT NULL,
  command TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'queued',
  fraction REAL NOT NULL DEFAULT 0,
  message TEXT NOT NULL DEFAULT '',
  seconds_left REAL,
  created REAL NOT NULL,
  started REAL,
  ended REAL,
  error TEXT NOT NULL DEFAULT 'null',
  document TEXT NOT NULL DEFAULT 'null',
  artifacts TEXT NOT NULL DEFAULT '[]',
  folder TEXT NOT NULL DEFAULT '',
  result_folder TEXT NOT NULL DEFAULT '',
  pid INTEGER NOT NULL DEFAULT 0,
  process_start TEXT NOT NULL DEFAULT '',
  heartbeat REAL NOT NULL DEFAULT 0,
  tries INTEGER NOT NULL DEFAULT 0,
  cancelled INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS queued ON job (number) WHERE state = 'queued';
CREATE INDEX IF NOT EXISTS running ON job (number) WHERE state = 'running';
CREATE TABLE IF NOT EXISTS event (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  job TEXT NOT NULL REFERENCES job (id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS event_of ON event (job, seq);
CREATE TABLE IF NOT EXISTS control (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  job TEXT NOT NULL REFERENCES job (id) ON DELETE CASCADE,
  action TEXT NOT NULL,
  value TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS control_of ON control (job, number);
"""
FROM_VERSION_1 = """
ALTER TABLE job RENAME COLUMN remaining TO seconds_left;
ALTER TABLE job RENAME COLUMN place TO result_folder;
UPDATE job SET artifacts = replace(artifacts, '"kind": "picture"', '"kind": "image"');
UPDATE job SET document = json_remove(document, '$.training') WHERE document LIKE '%"training"%';
DELETE FROM event WHERE kind IN ('progress', 'training', 'artifact')
"""
"""Columns and values of the first version under their present names; curves of its trainings are left out."""
HINT = (
    "Move the file away; the lab then begins a new list of jobs. Results and trainings stay where they are."
)


class Database:
    """A SQLite file with the tables of the queue, in write-ahead mode. Not for network drives.

    Args:
        path: the file; it and its folder are made if missing.

    Raises:
        DataError: it is no such file, or one of another version.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._local = path, threading.local()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._create()
        except sqlite3.DatabaseError as error:
            raise DataError(f"a list of jobs in {path}", received=str(error), hint=HINT) from None

    def _create(self) -> None:
        connection = self.connection
        connection.execute("PRAGMA journal_mode = WAL")
        with self.writing() as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version not in (0, 1, VERSION):
                raise sqlite3.DatabaseError(f"tables of version {version}, and this program has {VERSION}")
            statements = FROM_VERSION_1 if version == 1 else TABLES
            for statement in statements.split(";\n"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = sqlite3.connect(self.path, timeout=WAIT, isolation_level=None)
            found.row_factory = sqlite3.Row
            found.execute("PRAGMA foreign_keys = ON")
            found.execute("PRAGMA synchronous = NORMAL")
            self._local.connection = found
        return found

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction that writes: it is committed at the end of the block, undone if that fails.

        Yields:
            The connection.
        """
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def close(self) -> None:
        """Close this thread's connection; it is opened again when needed."""
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is not None:
            found.close()
            self._local.connection = None
