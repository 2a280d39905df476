"""The lab: a browser page where networks are built, trained, watched and questioned."""
