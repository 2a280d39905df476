"""Trainings on disk: the files of a run, how they are written, checked and resumed."""
