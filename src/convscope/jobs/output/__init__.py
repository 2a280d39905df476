"""Where a job writes, what it logs, and the recipes inside its files."""
