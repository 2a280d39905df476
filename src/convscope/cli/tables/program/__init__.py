"""Documents of verbs about the program and its data."""
