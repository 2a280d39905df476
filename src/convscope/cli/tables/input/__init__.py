"""Documents of verbs about an input."""
