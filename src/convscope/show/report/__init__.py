"""The illustrated report in two languages, and the tour that computes it."""
