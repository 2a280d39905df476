"""Feed-forward networks for style transfer: a photograph in, the stylized photograph out."""
