"""Settles forecasts against results, and watches whether recent matches still look like the champion's reference."""
