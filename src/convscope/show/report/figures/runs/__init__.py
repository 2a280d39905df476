"""The figures of a comparison of runs."""
