"""The web application of the lab, which never imports torch."""
