"""The offline stages behind dvc.yaml: from an export of the database to a served, recorded set of forecasts.

`params` reads params.yaml, `paths` names every output, `files` writes them whole or not at all, `stage` runs a stage as
a program. `match_table` turns parquet into the columns that features read. `gates` runs the expectations in `suites`.
`evaluation` scores, `promotion` moves the champion. Each remaining module is one stage: `python -m pipeline.<stage>`.
"""
