"""Training tasks: what a step costs, what is measured."""
