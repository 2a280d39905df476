"""Who may come in (`session.py`), and what keeps others out (`security.py`)."""
