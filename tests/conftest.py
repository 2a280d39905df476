import os
import signal
from pathlib import Path

import pytest

signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # a shell that starts us in the background ignores it

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take minutes by themselves."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data beside the checkout, or named by CONVSCOPE_TEST_DATA; where it is absent, tests skip."""
    folder = Path(os.environ.get("CONVSCOPE_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "README.md").is_file():
        pytest.skip(
            f"no real data at {folder}: set CONVSCOPE_TEST_DATA to a folder with mnist/, flowers/, ..."
        )
    return folder
