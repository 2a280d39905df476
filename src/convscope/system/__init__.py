"""The operating system's side of a program: users' files, signals, and text for a terminal."""
