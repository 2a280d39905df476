"""The content of one picture in the style of others, by moving the picture."""
