"""How torch's threads wait: soon asleep, unless the user chose otherwise; decided before torch comes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convscope.system import threads

NAMES = (*threads.WAIT_VARIABLES, *threads.COUNT_VARIABLES)


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in NAMES:
        monkeypatch.setenv(name, "")  # so that it is put back
        monkeypatch.delenv(name)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(threads._State, "torch_came_first", False)
    return monkeypatch


def test_openmp_reads_what_importing_convscope_has_set() -> None:
    """By what the library itself prints when it is loaded."""
    plain = {name: value for name, value in os.environ.items() if name not in NAMES}
    environment = {**plain, "OMP_DISPLAY_ENV": "verbose"}
    words = [sys.executable, "-c", "import convscope, torch"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    if "OMP_WAIT_POLICY" not in done.stderr:
        pytest.skip("this torch has another library")
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr
    if "GOMP_SPINCOUNT" in done.stderr:  # GNU's; others have none
        assert "GOMP_SPINCOUNT = '5000'" in done.stderr


def test_a_choice_of_the_user_wins(clean: pytest.MonkeyPatch) -> None:
    for name in threads.WAIT_VARIABLES:
        with clean.context() as given:
            given.setenv(name, "7")
            threads.prepare()
            assert {
                key: os.environ.get(key) for key in threads.WAIT_VARIABLES if key != name
            } == dict.fromkeys([key for key in threads.WAIT_VARIABLES if key != name])
            assert os.environ[name] == "7" and f"{name}=7" in threads.describe()
    threads.prepare()
    assert {name: os.environ[name] for name in threads.WAITING} == threads.WAITING
    assert "asleep" in threads.describe()


def test_after_torch_nothing_is_changed_and_the_doctor_says_so(clean: pytest.MonkeyPatch) -> None:
    clean.setitem(sys.modules, "torch", object())
    threads.prepare()
    assert not any(name in os.environ for name in NAMES)
    assert "before convscope" in threads.describe()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "20000 100000\n"}, 1),
        ({"cpu.max": "9900000 100000\n"}, 8),
        ({"cpu.max": "soup"}, 8),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
    ],
)
def test_cores_are_those_of_the_quota(
    clean: pytest.MonkeyPatch, tmp_path: Path, files: dict[str, str], expected: int
) -> None:
    clean.setattr(threads, "affinity", lambda: 8)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert threads.cores(tmp_path) == expected


def test_threads_follow_a_quota_unless_the_user_chose(clean: pytest.MonkeyPatch) -> None:
    clean.setattr(threads, "affinity", lambda: 8)
    clean.setattr(threads, "cores", lambda: 3)
    clean.setenv("MKL_NUM_THREADS", "5")
    threads.prepare()
    assert "OMP_NUM_THREADS" not in os.environ
    clean.delenv("MKL_NUM_THREADS")
    threads.prepare()
    assert os.environ["OMP_NUM_THREADS"] == "3"
