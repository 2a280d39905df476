import errno
import sys
import types
from collections.abc import Iterator

import pytest

from convscope.cli.core import app, failures
from convscope.errors import ConvscopeError, DataError, Interrupted, MissingError, TrainingError
from convscope.jobs import JOBS
from convscope.jobs.program.doctor import DoctorRecipe


class OutOfMemoryError(RuntimeError):
    """Named as torch names its own."""


CASES = [
    (OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), 1, "--device cpu"),
    (
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"),
        1,
        "smaller",
    ),
    (MemoryError(), 1, "smaller"),
    (AssertionError("Torch not compiled with CUDA enabled"), 4, "--device cpu"),
    (OSError(errno.ENOSPC, "No space left on device"), 1, "Free some space"),
    (PermissionError(13, "Permission denied", "x"), 3, "permissions"),
    (ModuleNotFoundError("No module named 'timm'", name="timm"), 4, "timm"),
    (KeyboardInterrupt(), 130, "Run the same command again"),
    (ZeroDivisionError("division by zero"), 1, "report"),
    (RecursionError("too deep"), 1, "report"),
    (DataError("a picture", received="soup", hint="Eat it."), 3, "Eat it."),
    (MissingError("weights", hint="Download."), 4, "Download."),
    (TrainingError("finite numbers", hint="Lower lr."), 1, "Lower lr."),
    (Interrupted("stopped, saved in runs/x", hint="Resume."), 130, "Resume."),
]


@pytest.mark.parametrize(("error", "code", "words"), CASES, ids=lambda c: type(c).__name__)
def test_any_exception_is_a_message_and_a_code(convscope, monkeypatch, error, code: int, words: str) -> None:
    def run(recipe: object, workspace: object) -> Iterator[None]:
        raise error
        yield

    module = types.ModuleType("bad", "Bad.")
    module.__dict__.update(schema=DoctorRecipe, run=run)
    monkeypatch.setitem(sys.modules, "bad", module)
    monkeypatch.setitem(JOBS, "doctor", "bad")
    done = convscope("doctor")
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert "Traceback" not in done.err
    as_json = convscope("doctor", "--json")
    assert as_json.code == code
    assert set(as_json.json["error"]) == {"said", "expected", "received", "hint", "exit_code"}
    assert "Traceback" in convscope("doctor", "--debug").err
    monkeypatch.setenv("CONVSCOPE_DEBUG", "1")
    assert "Traceback" in convscope("doctor").err


def test_real_torch_without_memory_is_explained() -> None:
    import torch

    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    friendly = failures.explain(caught.value)
    assert friendly.exit_code == 1
    assert "smaller" in friendly.hint


def test_every_error_of_the_tree_has_a_documented_code() -> None:
    def below(kind: type[ConvscopeError]) -> set[type[ConvscopeError]]:
        return {kind}.union(*(below(k) for k in kind.__subclasses__()))

    assert {kind.exit_code for kind in below(ConvscopeError)} <= {1, 2, 3, 4, 130}
    assert "130 interrupted" in str(app.run.__doc__)
    assert JOBS


def test_an_error_says_what_was_expected_and_what_was_received_in_one_sentence() -> None:
    wrong = DataError("a layer of digits", received="conv9", hint="Did you mean conv2?")
    assert str(wrong) == "expected a layer of digits; received conv9. Did you mean conv2?"
    assert str(MissingError("weights.")) == "expected weights."
    assert Interrupted("stopped; saved in runs/x").said == "stopped; saved in runs/x"
    assert DataError("a file", received="[Errno 2] No such file").received == "No such file"


def test_an_ellipsis_at_the_end_of_what_was_received_stays() -> None:
    several = DataError("pictures.", received="a.jpg, b.jpg, ...", hint="Replace them.")
    assert str(several) == "expected pictures; received a.jpg, b.jpg, ... Replace them."
    assert several.said == "expected pictures; received a.jpg, b.jpg, ..."
    assert several.brief == "a.jpg, b.jpg, ... (expected: pictures)"
