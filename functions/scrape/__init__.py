"""Reads the sources of matches, on request and when odds are due."""
