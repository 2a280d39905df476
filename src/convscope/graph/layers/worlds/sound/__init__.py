"""Layers of networks of sounds: spectra of waveforms, and recurrence along time."""
