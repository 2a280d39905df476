"""The index of units: one pass over data, its statistics, and its files."""
