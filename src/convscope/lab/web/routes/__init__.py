"""Routes of the web application."""
