"""Jobs of the lab in one SQLite file that outlives every process. Standard library only."""
