"""Large images in tiles, with the gradient of the whole image."""
