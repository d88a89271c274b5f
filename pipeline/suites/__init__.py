"""Suites of expectations, one module a gate; each gives the expectations for the knobs it is given."""
