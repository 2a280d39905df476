"""Tasks about where things are in an image: distorted images, and capsules."""
