"""One check of faithfulness in each file."""
