"""Tables of verbs that play Go."""
