"""Open networks of other libraries as `Net`s, one library per file."""
