"""What holds for the house as a whole: its public names, its README, what may not be in it."""

import importlib
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SURFACE = ROOT / "tests" / "surface.json"
ROOMS = (
    "features",
    "optimize",
    "visualization",
    "attribution",
    "units",
    "activation_atlas",
    "deepdream",
    "style",
)
PACKAGES = (
    "",
    ".nets",
    ".worlds",
    ".learn",
    ".see",
    ".use",
    ".show",
    ".jobs",
    *(f".see.{room}" for room in ROOMS),
)


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
    return {
        f"convscope{name}": sorted(importlib.import_module(f"convscope{name}").__all__)
        for name in PACKAGES
        if (ROOT / "src/convscope" / name[1:].replace(".", "/") / "__init__.pyi").is_file()
    }


def test_no_public_name_disappears_unnoticed() -> None:
    """To write the list anew, after removing a name on purpose: python -m tests.test_house."""
    now = surface()
    known = json.loads(SURFACE.read_text(encoding="utf-8"))
    assert sum(map(len, known.values())) > 100
    for package, names in known.items():
        assert set(names) <= set(now[package]), package


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_can_be_had(package: str) -> None:
    module = importlib.import_module(f"convscope{package}")
    for name in getattr(module, "__all__", ()):
        assert getattr(module, name) is not None, name


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


LARGE = {"src/convscope/nets/data/hed-vgg16/model.safetensors"}
"""Weights without which style cannot be had offline."""


def test_nothing_pickled_and_nothing_large_is_kept() -> None:
    forbidden = {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".h5", ".ipynb", ".so", ".pyc"}
    files = tracked()
    assert len(files) > 20
    assert [p for p in files if p.suffix in forbidden] == []
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


def test_source_keeps_its_budgets() -> None:
    """Functions of sixty lines, docstring aside; files of 600, docstrings and all; eight parameters."""
    import ast

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


def readme_commands() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def test_every_make_word_of_the_readme_exists() -> None:
    words = {line.split()[1] for line in readme_commands() if line.startswith("make ")}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {"tour", "test"} <= words
    for word in words:
        assert re.search(rf"^{word}:", makefile, flags=re.MULTILINE), word


def test_every_command_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """In order, in one folder, as a reader would; `convscope tour` is what the tour's own test runs."""
    from convscope.cli.core.app import run
    from convscope.worlds.datasets import digits

    monkeypatch.chdir(tmp_path)
    commands = [
        line for line in readme_commands() if line.startswith("convscope") and line != "convscope tour"
    ]
    assert len(commands) >= 8
    _prepare(tmp_path, digits)
    for line in commands:
        code = run(shlex.split(line)[1:])
        assert code == 0, (line, capsys.readouterr().err)


def _prepare(folder: Path, digits) -> None:
    """The files that the README says the reader has."""
    from PIL import Image

    samples = digits.test()
    for index in range(20):
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
