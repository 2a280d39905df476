"""Training of networks that predict moves of Go, and who wins."""
