"""Networks from graphs, files and names, and back to files."""
