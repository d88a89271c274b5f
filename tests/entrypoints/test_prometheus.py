"""A real Prometheus scrapes the running system, and its alert fires when something breaks."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from knative.local.manifests import read_manifests
from knative.local.runtime import local_runtime
from knative.local.services.postgres import private_postgres
from knative.local.services.prometheus import private_prometheus
from matchcast.adapters.database.migrate import migrate
from tests.entrypoints.conftest import furnish
from tests.entrypoints.house import House
from tests.entrypoints.served import served

BROKEN = ("MatchcastDependencyDown", "database")
UP = 'max(matchcast_dependency_up{dependency="database"})'


@pytest.mark.slow
def test_the_alert_for_a_broken_dependency_fires_and_is_quiet_again(tmp_path: Path) -> None:
    house = furnish(House(tmp_path), tmp_path)
    with private_postgres() as postgres:
        url = f"{postgres.url}/postgres"
        migrate(url)
        environment = {**house.environment, "MATCHCAST_DATABASE_URL": url}
        with served(local_runtime(read_manifests(), environment=environment)) as client:
            target = urlsplit(str(client.base_url)).netloc
            with private_prometheus([target]) as prometheus:
                prometheus.wait_until(lambda: prometheus.values(UP) == [1], 60)
                assert prometheus.values("matchcast_ledger_rows") == [0]
                prometheus.wait_until(lambda: bool(prometheus.values('http_requests_total{path="/metrics"}')), 60)
                assert len(prometheus.values("matchcast_queue_messages")) == len(read_manifests().triggers)
                assert BROKEN not in prometheus.firing()
                postgres.kill()
                prometheus.wait_until(lambda: BROKEN in prometheus.firing(), 180)
                prometheus.wait_until(lambda: prometheus.values('up{job="matchcast"}') == [1], 60)
                assert prometheus.values("matchcast_ledger_rows") == []
                postgres.start()
                prometheus.wait_until(lambda: BROKEN not in prometheus.firing(), 60)
                prometheus.wait_until(lambda: prometheus.values("matchcast_ledger_rows") == [0], 60)
