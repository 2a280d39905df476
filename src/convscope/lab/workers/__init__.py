"""The processes that compute: how they are started and asked (`supervisor.py`), and their own side."""
