"""Multi-task learning: networks of several inputs and outputs, each output with a loss of its own."""
