"""The world of sounds: recordings of speech and other sounds, as waveforms of a network's sample rate."""
