"""The runs that trainings leave in folders: list them, compare them, remove what is not needed any more."""
