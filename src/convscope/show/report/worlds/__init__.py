"""The tours of worlds other than pictures: sounds, sentences, boards of Go."""
