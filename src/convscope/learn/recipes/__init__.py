"""Named recipes: trainings that ship as TOML files, each with its source and what is published about it."""
