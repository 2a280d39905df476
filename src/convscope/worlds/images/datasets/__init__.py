"""Data sets of images in files."""
