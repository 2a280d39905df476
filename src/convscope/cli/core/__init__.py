"""What every verb shares: the application, flags, output, errors, provenance."""
