"""Shows the current forecasts and the stored matches."""
