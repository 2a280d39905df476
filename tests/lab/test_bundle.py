"""The committed bundle of the lab: built from the sources beside it, small, and asking nobody outside."""

import gzip
import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "lab-ui"
BUNDLE = ROOT / "src" / "convscope" / "lab" / "static"
FILES = (
    "index.html",
    "package-lock.json",
    "package.json",
    "svelte.config.js",
    "tsconfig.json",
    "vite.config.ts",
)


def digest() -> str:
    """Hash the sources as `lab-ui/hash.mjs` does."""
    inner = [path for folder in ("src", "public") for path in (SOURCES / folder).rglob("*") if path.is_file()]
    names = sorted([*FILES, *(path.relative_to(SOURCES).as_posix() for path in inner)])
    total = hashlib.sha256()
    for name in names:
        total.update(f"{name}\0".encode() + (SOURCES / name).read_bytes() + b"\0")
    return total.hexdigest()


@pytest.mark.skipif(not SOURCES.is_dir(), reason="the sources of the page are not in this installation")
def test_the_bundle_was_built_from_these_sources():
    built = (BUNDLE / "sources.sha256").read_text(encoding="ascii").strip()
    assert built == digest(), "the bundle is stale; write it anew with: make ui"


def test_the_first_view_is_small():
    first = [
        BUNDLE / name.lstrip("/")
        for name in re.findall(r'(?:src|href)="([^"]+)"', (BUNDLE / "index.html").read_text(encoding="utf-8"))
    ]
    assert {path.suffix for path in first} >= {".js", ".css"}
    home = [*first, *BUNDLE.glob("assets/Watch.*")]
    assert sum(len(gzip.compress(path.read_bytes())) for path in home) < 400_000


def test_the_bundle_names_no_other_host_and_needs_no_inline_script():
    page = (BUNDLE / "index.html").read_text(encoding="utf-8")
    assert not re.findall(r"<script(?![^>]*\bsrc=)", page)
    assert not re.findall(r"\sstyle=|<style", page)
    for path in BUNDLE.rglob("*"):
        if path.suffix in {".js", ".css", ".html"}:
            text = path.read_text(encoding="utf-8")
            hosts = set(re.findall(r"https?://([\w.-]+)", text))
            assert hosts <= {"svelte.dev", "www.w3.org"}, path.name
            assert "eval(" not in text


@pytest.mark.skipif(not SOURCES.is_dir(), reason="the sources of the page are not in this installation")
def test_the_sources_put_no_html_into_the_page():
    for path in SOURCES.joinpath("src").rglob("*"):
        if path.suffix in {".svelte", ".ts"}:
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"\{@html|innerHTML|insertAdjacentHTML|document\.write", text), path.name
