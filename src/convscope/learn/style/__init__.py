"""Training of feed-forward style networks: StyleBank, Johnson et al., AdaIN."""
