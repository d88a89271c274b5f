"""Forecasts a pairing on request."""
