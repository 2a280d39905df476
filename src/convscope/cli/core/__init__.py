"""Parts that all verbs share: the application, flags, output, errors, provenance."""
