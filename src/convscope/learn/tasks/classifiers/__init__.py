"""What belongs to classifiers alone: calibration, class balance, the last layer, near-duplicates."""
