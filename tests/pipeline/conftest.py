"""Libraries whose import warns are imported here once, so that warnings can be errors everywhere else."""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="module 'sre_", category=DeprecationWarning)
    import great_expectations  # noqa: F401

    warnings.filterwarnings("ignore", message=".*Any type hint is inferred as AnyType", category=UserWarning)
    import mlflow.pyfunc  # noqa: F401
