"""Jobs of the lab in one SQLite file, which outlives every process: states, events, requests. Standard library."""
