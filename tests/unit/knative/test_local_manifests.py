"""What the local runtime reads out of manifests."""

from datetime import timedelta
from pathlib import Path

import pytest

from knative.local.manifests import Manifests, read_manifests

BROKER = """
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: only, annotations: {eventing.knative.dev/broker.class: RabbitMQBroker}}
spec:
  config: {apiVersion: eventing.knative.dev/v1alpha1, kind: RabbitmqBrokerConfig, name: CONFIG}
  delivery:
    retry: 3
    backoffPolicy: linear
    backoffDelay: PT4S
    deadLetterSink: {uri: http://letters.example.org}
"""
CONFIG = """
apiVersion: eventing.knative.dev/v1alpha1
kind: RabbitmqBrokerConfig
metadata: {name: NAME}
spec: {rabbitmqClusterReference: {name: rabbitmq}, queueType: NAME}
"""
TRIGGER = """
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: NAME}
spec:
  broker: only
  subscriber: {uri: http://subscriber.example.org}
"""


def manifests(folder: Path, *documents: str) -> Manifests:
    (folder / "all.yaml").write_text("---".join(documents))
    (folder / "kustomization.yaml").write_text("resources: [all.yaml]\n")
    return read_manifests(folder)


def test_a_triggers_delivery_replaces_its_brokers_as_a_whole(tmp_path: Path) -> None:
    """What it does not say is Knative's default, not the Broker's."""
    own = TRIGGER.replace("NAME", "own") + "  delivery: {backoffDelay: PT2S}\n"
    found = manifests(
        tmp_path, BROKER.replace("CONFIG", "classic"), CONFIG.replace("NAME", "classic"),
        TRIGGER.replace("NAME", "silent"), own,
    )  # fmt: skip
    (broker,) = found.brokers
    silent, replacing = found.triggers
    assert found.delivery_of(silent) == broker.spec.delivery
    delivery = found.delivery_of(replacing)
    assert delivery is not None
    assert (delivery.retry, delivery.backoff_policy) == (5, "exponential")
    assert delivery.backoff_delay == timedelta(seconds=2)
    assert delivery.dead_letter_sink is None


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_a_brokers_queues_are_of_the_type_that_its_configuration_says(tmp_path: Path, kind: str) -> None:
    configs = [CONFIG.replace("NAME", name) for name in ("classic", "quorum")]
    found = manifests(tmp_path, BROKER.replace("CONFIG", kind), *configs)
    assert found.queue_type_of(found.brokers[0]) == kind
