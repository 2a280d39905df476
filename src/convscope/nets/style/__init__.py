"""Networks that paint: a photograph in, the photograph in a style out."""
