"""The order in which a cluster gets what a plan holds."""

import logging
from typing import Final

from knative.deploy.cluster import Cluster
from knative.deploy.plan import BASIS, LAST, Plan
from knative.deploy.rollout import Rollout
from matchcast.errors import BadInput

_LOG: Final = logging.getLogger(__name__)


def deploy(plan: Plan, cluster: Cluster, rollout: Rollout) -> None:
    """Check everything, then brokers, then functions, and last what brings them work.

    Raises:
        BadInput: a Secret or a key of it is missing; names it.
        Unavailable: the cluster refuses something or something does not become ready; the old revisions go on serving.
    """
    _LOG.info("to %s: what is missing there, and whether it takes the rest", cluster.name())
    cluster.apply(plan.of("Namespace"))  # without it nothing else could be checked
    _check_secrets(plan, cluster)
    cluster.check(plan.manifests)
    _LOG.info("RabbitMQ, brokers, policies")
    cluster.apply(plan.of(*BASIS))
    cluster.wait(plan.of("RabbitmqCluster"), "AllReplicasReady")
    cluster.wait(plan.of("Broker"))
    # before the Services, so that no revision starts without K_SINK
    cluster.apply(plan.of("SinkBinding"))
    _LOG.info("new revisions, without traffic")
    rollout.start()
    _LOG.info("a look at each")
    rollout.smoke_test()
    _LOG.info("traffic")
    rollout.finish()
    _LOG.info("Triggers, sources, routes")
    cluster.apply(plan.of(*LAST))
    for kind in ("Trigger", "PingSource"):
        cluster.wait(plan.of(kind))
    _LOG.info("done")


def _check_secrets(plan: Plan, cluster: Cluster) -> None:
    lacking = []
    for name, keys in plan.secret_keys().items():
        secret = cluster.get("secret", name, plan.namespace)
        if secret is None:
            lacking.append(f"Secret {name}" + (f" with {', '.join(sorted(keys))}" if keys else ""))
        else:
            lacking += [f"key {key} of Secret {name}" for key in sorted(keys - set(secret.get("data", {})))]
    if lacking:
        raise BadInput(
            f"namespace {plan.namespace} lacks {', '.join(lacking)}; docs/runbooks/deploy.md tells how to make it"
        )
