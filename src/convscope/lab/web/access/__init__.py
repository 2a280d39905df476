"""Authentication (`session.py`), and protection against other sites (`security.py`)."""
