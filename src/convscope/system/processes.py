"""Which of the processes of one command this is, by the variables that torchrun sets.

Read without torch, so that the terminal knows before it is imported who speaks. What the processes do
together is in `convscope.learn.trainer.distributed`.

Source: https://docs.pytorch.org/docs/stable/elastic/run.html
"""

import os


def rank() -> int:
    """Return the number of this process among all (`RANK`); 0 for the one that writes and prints."""
    return _number("RANK") if count() > 1 else 0


def count() -> int:
    """Return how many processes run this command together (`WORLD_SIZE`); 1 without torchrun."""
    return max(1, _number("WORLD_SIZE")) if "RANK" in os.environ else 1


def local_rank() -> int:
    """Return the number of this process on its machine (`LOCAL_RANK`), by which it chooses its device."""
    return _number("LOCAL_RANK") if count() > 1 else 0


def restarts() -> int:
    """Return how often torchrun has started this command again, after a process of it had ended."""
    return _number("TORCHELASTIC_RESTART_COUNT") if count() > 1 else 0


def may_restart() -> bool:
    """Return whether torchrun would start this command again (`--max-restarts`)."""
    return count() > 1 and _number("TORCHELASTIC_MAX_RESTARTS") > 0


def _number(name: str) -> int:
    """Return the whole number in an environment variable; 0 where there is none."""
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else 0
