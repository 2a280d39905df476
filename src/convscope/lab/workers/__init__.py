"""The processes that compute: how they are started and asked (`supervisor.py`), and their own side."""

WORKERS = {"live": "convscope.lab.workers.live", "jobs": "convscope.lab.workers.jobs"}
"""Name -> module of each worker process."""
