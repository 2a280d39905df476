"""Processes of the lab: the live worker, the job worker, and what starts them."""
