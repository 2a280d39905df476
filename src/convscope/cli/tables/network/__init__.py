"""Documents of verbs about a network."""
