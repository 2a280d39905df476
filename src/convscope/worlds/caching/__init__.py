"""What is computed from data and kept: their fingerprints, and decoded images in a file."""
