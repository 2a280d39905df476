"""What holds for the house as a whole: its public names, its README, what may not be in it."""

import ast
import importlib
import json
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SURFACE = ROOT / "tests" / "surface.json"
PACKAGES = sorted(
    ".".join(stub.parent.relative_to(ROOT / "src").parts) for stub in (ROOT / "src").rglob("__init__.pyi")
)
"""Packages that say what is public in them."""
BELOW_THE_ROOMS = ("convscope.errors", "convscope.recipe", "convscope.system")


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def texts() -> list[tuple[Path, str]]:
    kinds = {".py", ".pyi", ".md", ".toml", ".json", ".html", ".css", ".js", ""}
    return [
        (p, p.read_text(encoding="utf-8")) for p in tracked() if p.suffix in kinds and p != Path(__file__)
    ]


def surface() -> dict[str, list[str]]:
    return {name: sorted(importlib.import_module(name).__all__) for name in PACKAGES}


def test_no_public_name_disappears_unnoticed() -> None:
    """To write the list anew, after removing a name on purpose: python -m tests.test_house."""
    now = surface()
    known = json.loads(SURFACE.read_text(encoding="utf-8"))
    assert sum(map(len, known.values())) > 100
    for package, names in known.items():
        assert set(names) <= set(now[package]), package


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_can_be_had(package: str) -> None:
    module = importlib.import_module(package)
    for name in getattr(module, "__all__", ()):
        assert getattr(module, name) is not None, name


@pytest.mark.slow
def test_public_names_need_no_other_import_first() -> None:
    """Each in a fresh process would take minutes: one that has imported nothing else, package by package."""
    code = (
        "import importlib, sys\nfor package in sys.argv[1:]:\n"
        "    for name in list(sys.modules):\n"
        "        if name.startswith('convscope'): del sys.modules[name]\n"
        "    module = importlib.import_module(package)\n"
        "    [getattr(module, name) for name in module.__all__ if name[0].islower()]\n"
    )
    packages = ["convscope.see.units", "convscope.nets", "convscope.worlds.images", "convscope.learn.style"]
    subprocess.run([sys.executable, "-c", code, *packages], check=True)


def test_no_public_name_is_hidden_by_a_module_of_its_name() -> None:
    """Importing `package.name` as a module would take the place of the function `name` of that package."""
    stubs = sorted((ROOT / "src").rglob("*.pyi"))
    assert len(stubs) > 10
    for stub in stubs:
        inside = {path.stem for path in stub.parent.iterdir()} - {"__init__"}
        exported = re.findall(
            r"^from \.\S+ import \w+ as (\w+)$", stub.read_text(encoding="utf-8"), re.MULTILINE
        )
        assert not inside & set(exported), stub


def imported_from(path: Path) -> list[tuple[str, str]]:
    """(module, name) of everything that a file imports from this package, at any depth of its code."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0 or path.suffix == ".pyi", path
            found += [(node.module or "", alias.name) for alias in node.names]
        if isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
    return [(module, name) for module, name in found if module.split(".")[0] == "convscope"]


@pytest.mark.parametrize(("room", "least"), [("cli", 1), ("lab", 1), ("jobs", 30), ("show", 30)])
def test_edges_import_only_public_names_of_the_rooms_below(room: str, least: int) -> None:
    """A name of another room comes from a package that exports it, never from one of its modules."""
    own = ("convscope.cli", "convscope.lab", "convscope.jobs", "convscope.show", *BELOW_THE_ROOMS)
    count = 0
    for path in (ROOT / "src" / "convscope" / room).rglob("*.py"):
        for module, name in imported_from(path):
            if module.startswith(own) or module == "convscope":
                continue
            count += 1
            face = importlib.import_module(module)
            public = vars(face) if module == "convscope.graph" else getattr(face, "__all__", ())
            assert hasattr(face, "__path__") and name in public, (path.relative_to(ROOT), module, name)
    assert count > least


LARGE = {"src/convscope/nets/data/hed-vgg16/model.safetensors"}
"""Weights without which style cannot be had offline."""


def test_nothing_pickled_and_nothing_large_is_kept() -> None:
    forbidden = {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".h5", ".so", ".pyc"}
    files = tracked()
    assert len(files) > 20
    assert [p for p in files if p.suffix in forbidden] == []
    assert [p for p in files if p.suffix == ".ipynb"] == [ROOT / "docs" / "tour.ipynb"]
    large = {str(p.relative_to(ROOT)): p.stat().st_size for p in files if p.stat().st_size > 4_000_000}
    assert set(large) <= LARGE
    assert all(size < 25_000_000 for size in large.values())


def test_no_code_reads_pickles() -> None:
    for path, text in texts():
        if path.suffix == ".py" and path.is_relative_to(ROOT / "src"):
            assert not re.search(r"\bimport pickle|\bpickle\.|allow_pickle=True|weights_only=False", text), (
                path
            )


def test_no_path_of_one_machine_and_no_unfinished_marker() -> None:
    for path, text in texts():
        if path.suffix in (".py", ".pyi", ".md", ".toml"):
            found = re.findall(r"(?<![\w.])/(?:work|root|home)/\w+", text)
            assert not found, (path, found)
        if path.is_relative_to(ROOT / "src"):
            assert not re.search(r"\b(?:TODO|FIXME|XXX|HACK)\b|raise NotImplementedError", text), path


def written(path: Path, text: str) -> str:
    """Return what a file says: of Python only the strings, with a brace where a value is put in."""
    if path.suffix != ".py":
        return text
    strings = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.JoinedStr | ast.Constant)]
    parts = [node.values if isinstance(node, ast.JoinedStr) else [node] for node in strings]
    return "\n".join(
        "".join(str(part.value) if isinstance(part, ast.Constant) else "}" for part in group)
        for group in parts
    )


def test_percent_signs_follow_their_number_without_a_space() -> None:
    spaced, shown = re.compile(r"[0-9}] %(?![a-z({])"), ("src", "docs", "README.md")
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path, text in texts()
        if path.suffix in (".py", ".toml", ".md") and path.relative_to(ROOT).parts[0] in shown
        for match in spaced.finditer(written(path, text))
    ]
    assert not found


def test_source_keeps_its_budgets() -> None:
    """Functions of sixty lines, docstring aside; files of 600, docstrings and all; eight parameters."""
    long_files, long_functions, wide = [], [], []
    for path in (p for p in tracked() if p.is_relative_to(ROOT / "src") and p.suffix == ".py"):
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > 600:
            long_files.append(path.name)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                where = f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
                words = node.body[0].end_lineno - node.lineno if ast.get_docstring(node) else 0
                if (node.end_lineno or 0) - node.lineno + 1 - words > 60:
                    long_functions.append(where)
                if len(node.args.args) + len(node.args.kwonlyargs) > 9:  # eight, and self
                    wide.append(where)
    assert (long_files, long_functions, wide) == ([], [], [])


TEXTS_AND_DATA = {"data", "text", "templates", "static"}
"""Folders of what is no module: as many as there are."""
OWN_FILES = {"__init__.py", "__init__.pyi", "__main__.py", "py.typed"}
"""Files that every package has: nobody looks for something in them by their name."""
ROOMS = 13
"""The package itself: twelve rooms, each with its line on the page of the architecture, and `errors.py`."""


def test_no_folder_has_more_than_twelve_entries() -> None:
    """Modules and folders, without the package's own files."""
    package = ROOT / "src" / "convscope"
    paths = [p.relative_to(package) for p in tracked() if p.is_relative_to(package)]
    entries = {Path(*p.parts[: depth + 1]) for p in paths for depth in range(len(p.parts))}
    crowded = Counter(
        str(entry.parent)
        for entry in entries
        if entry.name not in OWN_FILES and not set(entry.parent.parts) & TEXTS_AND_DATA
    )
    assert len(crowded) > 30
    assert crowded["."] == ROOMS
    assert {folder: count for folder, count in crowded.items() if count > 12 and folder != "."} == {}


RESULTS = "Five results"
"""The README's section whose commands compute for a while, with the network for photographs."""


def readme_commands() -> list[tuple[str, str]]:
    """(heading of the section, command) for each line of the README's shell blocks."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = []
    for section in re.split(r"^## ", text, flags=re.MULTILINE):
        for block in re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL):
            lines = [line.split("  #")[0].strip() for line in block.splitlines()]
            found += [(section.splitlines()[0], line) for line in lines if line and not line.startswith("#")]
    return found


def test_every_make_word_of_the_readme_exists() -> None:
    words = {line.split()[1] for _, line in readme_commands() if line.startswith("make ")}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {"tour", "test"} <= words
    for word in words:
        assert re.search(rf"^{word}:", makefile, flags=re.MULTILINE), word


def test_every_picture_and_page_that_the_documents_name_exists() -> None:
    count = 0
    for path, text in texts():
        if path.suffix == ".md":
            for name in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
                assert (path.parent / name).exists(), (path.name, name)
                count += 1
    assert count > 30


@pytest.mark.parametrize("slow", [False, pytest.param(True, marks=pytest.mark.exhaustive)])
@pytest.mark.slow
@pytest.mark.long
def test_every_command_of_the_readme_runs(
    slow: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """In order, in one folder, as a reader would; `convscope tour` is what the tour's own test runs."""
    from convscope.cli.core.app import run
    from convscope.worlds.datasets import digits

    monkeypatch.chdir(tmp_path)
    commands = [
        line
        for section, line in readme_commands()
        if line.startswith("convscope") and line != "convscope tour" and section.startswith(RESULTS) == slow
    ]
    assert len(commands) >= (5 if slow else 8)
    _prepare(tmp_path, digits)
    for line in commands:
        code = run(shlex.split(line)[1:])
        assert code == 0, (line, capsys.readouterr().err)


def _prepare(folder: Path, digits) -> None:
    """The files that the README says the reader has."""
    from PIL import Image

    samples = digits.test()
    few = [(samples.labels == label).nonzero().flatten()[:6].tolist() for label in (0, 1)]
    for index in [*few[0], *few[1]]:
        pixels = samples.pixels([index])[0, 0].numpy()
        place = folder / "pictures" / samples.classes[int(samples.labels[index])]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{index}.png")
    digit = Image.fromarray(samples.pixels([0])[0, 0].numpy())
    digit.save(folder / "digit.png")
    digit.convert("RGB").resize((96, 80)).save(folder / "photo.jpg")
    digit.convert("RGB").resize((80, 80)).save(folder / "painting.jpg")


def test_every_word_of_python_in_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from convscope.worlds.datasets import digits

    monkeypatch.chdir(tmp_path)
    _prepare(tmp_path, digits)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


if __name__ == "__main__":
    SURFACE.write_text(json.dumps(surface(), indent=1) + "\n", encoding="utf-8")
