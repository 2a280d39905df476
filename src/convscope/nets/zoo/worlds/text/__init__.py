"""Networks of texts: Kim's sentence CNN, and CNNs of characters and bytes."""
