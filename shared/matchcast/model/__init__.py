"""Forecast models as plain data.

`trees`, `linear` and `goals` are the members, `forecaster` pools and calibrates them, `bundle` packs a forecaster with its
feature contract, metrics and golden rows; these need numpy only. `metrics` scores forecasts, `market` turns odds into
probabilities. `fit` trains (xgboost, scikit-learn) and is never imported while serving.
"""
