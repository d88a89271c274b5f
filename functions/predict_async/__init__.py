"""Forecasts on request through a task, and renews all forecasts on events."""
