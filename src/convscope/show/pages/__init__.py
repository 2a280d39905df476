"""One HTML page for one question."""
