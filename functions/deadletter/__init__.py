"""Keeps the events that no try could deliver, and replays them."""
