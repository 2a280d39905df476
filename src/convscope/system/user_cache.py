"""The user's cache folder: where it is, and how what was not used for long is removed from it."""

import os
from contextlib import suppress
from pathlib import Path
from re import Pattern


def cache_root(name: str) -> Path:
    """Return the folder of one kind of cached files.

    Args:
        name: the kind.

    Returns:
        The path, below `$XDG_CACHE_HOME`, or `~/.cache` where that is not set; it need not exist.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "convscope" / name


def prune(keep: Path, files: Pattern[str], largest: int) -> None:
    """Remove the cached data that were used longest ago until all beside them take no more than a limit.

    Only files of the cache are removed, recognised by their names, and folders that are then empty.

    Args:
        keep: a folder in use, which stays and is marked as used; those beside it are looked through.
        files: the whole name of a file of this cache.
        largest: bytes that all folders may take together.
    """

    def own(folder: Path) -> list[Path]:
        return [path for path in folder.iterdir() if files.fullmatch(path.name) and not path.is_symlink()]

    with suppress(OSError):  # of others, or removed by another process meanwhile: the next call tries again
        os.utime(keep)
        folders = [path for path in keep.parent.iterdir() if path.is_dir() and not path.is_symlink()]
        folders.sort(key=lambda folder: folder.stat().st_mtime)
        sizes = {folder: sum(file.stat().st_size for file in own(folder)) for folder in folders}
        for folder in folders:
            if sum(sizes.values()) <= largest:
                break
            if folder == keep:
                continue
            for file in own(folder):
                file.unlink()
            with suppress(OSError):
                folder.rmdir()
            del sizes[folder]
