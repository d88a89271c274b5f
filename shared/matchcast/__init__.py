"""Matchcast: calibrated home/draw/away forecasts of football matches.

From the bottom up: `errors` (one tree), `domain` (matches, competitions, outcomes; standard library only), `ports`
(what the use cases need from outside), `features` (one forward pass over matches), `model` (bundles of plain data and
their scores), `usecases`, `adapters` (one file an outside system), `telemetry` and `settings`, `web`. Imports go
downwards only; `lint-imports` checks it.
"""
