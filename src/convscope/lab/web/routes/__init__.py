"""Routes of the API: each file has a `router`, which `web/app.py` includes."""
