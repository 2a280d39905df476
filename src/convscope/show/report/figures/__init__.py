"""Figures of the report and of the HTML pages."""
