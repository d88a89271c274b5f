"""The published models of Knative's objects (1.17, the newest that Python 3.11 runs).

They let unknown keys pass and know no `timeout` of a delivery, so `knative.local.objects` reads what is acted upon.
"""

import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel


@cache
def published_models() -> Mapping[tuple[str, str], type[BaseModel]]:
    """By apiVersion and kind."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a field of Channel shadows one of its parent
        from cloudcoil.models.knative_eventing.eventing import v1 as eventing
        from cloudcoil.models.knative_eventing.sinks import v1alpha1 as sinks
        from cloudcoil.models.knative_eventing.sources import v1 as sources
        from cloudcoil.models.knative_serving.serving import v1 as serving
    groups: Mapping[str, tuple[type[BaseModel], ...]] = {
        "serving.knative.dev/v1": (serving.Service,),
        "eventing.knative.dev/v1": (eventing.Broker, eventing.Trigger),
        "sources.knative.dev/v1": (sources.PingSource, sources.SinkBinding),
        "sinks.knative.dev/v1alpha1": (sinks.JobSink,),
    }
    return {(version, model.__name__): model for version, models in groups.items() for model in models}


def as_published(document: Mapping[str, Any]) -> BaseModel | None:
    """The whole object as its published model; None for a kind that is not Knative's or not run here.

    Raises:
        ValidationError: it is not as published.
    """
    model = published_models().get((str(document.get("apiVersion")), str(document.get("kind"))))
    # strict, or quantities such as "1" are read as numbers, which the models then fail on
    return None if model is None else model.model_validate(document, strict=True)
