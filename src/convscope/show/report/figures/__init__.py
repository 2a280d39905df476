"""One figure per file; each takes data and returns markup."""
