"""Ask in a process of its own whether this machine has a device: the web process never imports torch.

    python -m convscope.lab.workers.device NAME

prints an error as JSON, or nothing.
"""

import json
import subprocess
import sys

from convscope.errors import ConvscopeError, MissingError


def require_device(name: str) -> None:
    """Refuse a device that this machine does not have.

    Args:
        name: as `find_device` takes it.

    Raises:
        MissingError: there is no such device.
    """
    if name in ("auto", "cpu"):
        return
    command = [sys.executable, "-P", "-m", "convscope.lab.workers.device", name]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode == 0:
        return
    fields = json.loads(found.stdout or "{}")
    raise MissingError(
        fields.get("expected", "a device of this machine"),
        received=fields.get("received", name),
        hint=fields.get("hint", "See: convscope doctor"),
    )


def main(name: str) -> int:
    """Print what is wrong with a device.

    Args:
        name: as `find_device` takes it.

    Returns:
        The exit code; 0 if there is the device.
    """
    from convscope.learn import find_device

    try:
        find_device(name)
    except ConvscopeError as error:
        print(json.dumps(error.to_json()))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
