"""Layers of networks that hear: spectra of waveforms, and recurrence along time."""
