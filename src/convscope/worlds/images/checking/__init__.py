"""Checks of a folder of images before a training: damaged files, duplicates, leaks between parts."""
