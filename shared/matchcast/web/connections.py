"""What functions connect to, as their settings say; everything is imported and opened on first use."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from matchcast.adapters.clock import clock_from
from matchcast.adapters.git_revision import git_revision
from matchcast.adapters.objects import objects_at
from matchcast.adapters.objects_cache import CachedObjects
from matchcast.adapters.snapshot_file import open_snapshot
from matchcast.adapters.watched import Watched
from matchcast.errors import BadInput, Unavailable
from matchcast.ports import ApiKeys, Clock, Ledger, LedgerEnd, MatchReader, MatchStore, ObjectStore
from matchcast.ports import cache as topics
from matchcast.ports.cache import Policy, Shared
from matchcast.ports.idempotency import IdempotentAnswers
from matchcast.settings import Settings
from matchcast.telemetry import Telemetry
from matchcast.usecases.figures import figures_of
from matchcast.usecases.publish import SNAPSHOT_KEY, Published, load_snapshot
from matchcast.web.idempotency import Idempotency
from matchcast.web.keys import KeyGuard, RateLimit
from matchcast.web.operations import Terms

if TYPE_CHECKING:
    from matchcast.adapters.database.engine import Database
    from matchcast.adapters.database.history import SqlHistory
    from matchcast.adapters.database.light import LightDatabase
    from matchcast.ports.accuracy import SettledScores
    from matchcast.ports.events import DeadLetters, Inbox, Leftovers, Sink, Tasks
    from matchcast.ports.feeds import Captures, CoolDowns
    from matchcast.ports.metrics import MetricStore, Queues
    from matchcast.ports.renewal import RenewedLedger, Turns
    from matchcast.ports.scores import DriftReports, Prices, SettledMatches, Settlements
    from matchcast.usecases.champion import Champion
    from matchcast.usecases.models import Challenger

T = TypeVar("T")


class Connections:
    """One instance's connections; its methods are what `build` functions are given."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.now: Final[Clock] = clock_from(settings.clock_starts_at)
        self._problems: Final[dict[str, Callable[[], str | None]]] = {}
        """What answers go on without, or with what was before, by name."""
        if settings.cache_url is not None:
            self._problems["cache"] = self._cache_problem

    def code_revision(self) -> str:
        return self._settings.code_revision or git_revision()

    @property
    def cache_dir(self) -> Path:
        """A folder to write in."""
        return self._settings.cache_dir

    @cached_property
    def store(self) -> ObjectStore:
        """The object store itself."""
        with _as_set_up():
            return objects_at(self._settings.objects_url, self._settings.s3)

    @cached_property
    def objects(self) -> CachedObjects:
        """The object store, with copies for when it is away."""
        return CachedObjects(self.store, self._settings.cache_dir)

    def champion(self) -> "Watched[Champion]":
        """The champion."""
        from matchcast.usecases.champion import CHAMPION_KEY, load_champion

        return self._watched("champion", CHAMPION_KEY, load_champion, self._listener(topics.CHAMPION))

    def challenger(self) -> "Watched[Challenger]":
        """The challenger, if there is one."""
        from matchcast.usecases.champion import CHALLENGER_KEY
        from matchcast.usecases.models import load_challenger

        return self._watched("challenger", CHALLENGER_KEY, load_challenger)

    def snapshot(self, code_hash: str | None = None) -> Watched[Published]:
        """The published snapshot.

        Args:
            code_hash: of the feature code that will read state from it; None if none will.
        """

        def load(objects: CachedObjects) -> Published:
            return load_snapshot(objects, lambda key, sha: open_snapshot(objects.file(key, sha), code_hash))

        return self._watched("snapshot", SNAPSHOT_KEY, load, self._listener(topics.SNAPSHOT))

    def _watched(
        self,
        name: str,
        key: str,
        load: Callable[[CachedObjects], T],
        listen: Callable[[Callable[[], None]], None] | None = None,
    ) -> Watched[T]:
        watched = Watched(self.objects.anew(), key, load, copies=self.objects, listen=listen)
        self._problems[name] = watched.problem
        return watched

    def telemetry(self, queues_url: str | None = None) -> Telemetry:
        """Metrics of this instance, with those that outlive it.

        Args:
            queues_url: where the queues of Triggers are told; None, and they are not shown.
        """
        queues = None if queues_url is None else self.queues(queues_url)
        return Telemetry(figures_of(self.metric_store, lambda: self.store, self.now, queues, self._problems))

    def metric_store(self) -> "MetricStore":
        from matchcast.adapters.database.metric_totals import LightMetricStore

        return LightMetricStore(self._light_database)

    def queues(self, url: str) -> "Callable[[], Queues]":
        """The queues of Triggers, as told at this address."""

        @cache
        def opened() -> "Queues":
            from matchcast.adapters.rabbitmq_queues import RabbitmqQueues

            return RabbitmqQueues(url)

        return opened

    def _cache_problem(self) -> str | None:
        return self.shared.problem()

    def tell(self, topic: str) -> None:
        """All instances, to look for something new."""
        self.shared.announce(topic)

    def _listener(self, topic: str) -> Callable[[Callable[[], None]], None] | None:
        """Nobody else would tell a process that has its cache in memory."""
        return None if self._settings.cache_url is None else lambda heard: self.shared.listen(topic, heard)

    @cached_property
    def terms(self) -> Terms:
        """On what terms requests are answered."""
        seconds = self._settings.request_seconds
        idempotency = Idempotency(self.idempotent_answers, seconds)
        return Terms(KeyGuard(self.keys, seconds), self._limit(seconds), idempotency, seconds)

    def _limit(self, seconds: float) -> RateLimit | None:
        settings = self._settings
        if settings.rate_quota == 0:
            return None
        policy = Policy(settings.rate_quota, settings.rate_seconds)
        return RateLimit(lambda: self.shared, policy, at_once=settings.cache_url is None, seconds=seconds)

    def idempotent_answers(self) -> IdempotentAnswers:
        from matchcast.adapters.database.idempotent import KeptAnswers

        return KeptAnswers(self._light_database)

    @cached_property
    def shared(self) -> Shared:
        """What instances share besides the database: Redis, or this process's memory."""
        url = self._settings.cache_url
        if url is None:
            from matchcast.adapters.cache_memory import MemoryCache

            return MemoryCache()
        from matchcast.adapters.cache_redis import RedisCache

        return RedisCache(url)

    def ledger(self) -> Ledger:
        from matchcast.adapters.database.ledger import SqlLedger

        return SqlLedger(self._database)

    def settled_matches(self) -> "SettledMatches":
        from matchcast.adapters.database.settlements import SqlSettlements

        return SqlSettlements(self._database)

    def settled_scores(self) -> "SettledScores":
        from matchcast.adapters.database.accuracy import SqlSettledScores

        return SqlSettledScores(self._database)

    def ledger_end(self) -> LedgerEnd:
        from matchcast.adapters.database.light_ports import LightLedger

        return LightLedger(self._light_database)

    def renewed_ledger(self) -> "RenewedLedger":
        from matchcast.adapters.database.ledger import SqlLedger

        return SqlLedger(self._database)

    def history(self) -> "SqlHistory":
        from matchcast.adapters.database.history import SqlHistory

        return SqlHistory(self._database)

    def turns(self) -> "Turns":
        from matchcast.adapters.database.turns import SqlTurns

        return SqlTurns(self._database)

    def keys(self) -> ApiKeys:
        from matchcast.adapters.database.light_ports import LightApiKeys

        return LightApiKeys(self._light_database)

    def matches(self) -> MatchReader:
        from matchcast.adapters.database.matches import SqlMatchReader

        return SqlMatchReader(self._database)

    def match_store(self) -> MatchStore:
        from matchcast.adapters.database.match_store import SqlMatchStore

        return SqlMatchStore(self._database)

    def captures(self) -> "Captures":
        from matchcast.adapters.database.captures import SqlCaptures

        return SqlCaptures(self._database)

    def cool_downs(self) -> "CoolDowns":
        from matchcast.adapters.database.cool_downs import SqlCoolDowns

        return SqlCoolDowns(self._database)

    def inbox(self) -> "Inbox":
        from matchcast.adapters.database.inbox import SqlInbox

        return SqlInbox(self._database)

    def tasks(self) -> "Tasks":
        from matchcast.adapters.database.tasks import SqlTasks

        return SqlTasks(self._database)

    def settlements(self) -> "Settlements":
        from matchcast.adapters.database.settlements import SqlSettlements

        return SqlSettlements(self._database)

    def prices(self) -> "Prices":
        from matchcast.adapters.database.prices import SqlPrices

        return SqlPrices(self._database)

    def drift_reports(self) -> "DriftReports":
        from matchcast.adapters.database.drift_reports import SqlDriftReports

        return SqlDriftReports(self._database)

    def letters(self) -> "DeadLetters":
        from matchcast.adapters.database.dead_letters import SqlDeadLetters

        return SqlDeadLetters(self._database)

    def leftovers(self) -> "Leftovers":
        from matchcast.adapters.database.leftovers import SqlLeftovers

        return SqlLeftovers(self._database)

    def transaction(self) -> AbstractContextManager[object]:
        return self._database.writing()

    def sink(self, url: str, **limits: float) -> "Callable[[], Sink]":
        """The broker at this address; `limits` are those of `HttpSink`."""

        @cache
        def opened() -> "Sink":
            from matchcast.adapters.sink import HttpSink

            return HttpSink(url, lambda: self.objects, **limits)

        return opened

    @cached_property
    def _light_database(self) -> "LightDatabase":
        from matchcast.adapters.database.light import LightDatabase

        with _as_set_up():
            return LightDatabase(self._settings.database_url, patience=self._settings.patience)

    @cached_property
    def _database(self) -> "Database":
        from matchcast.adapters.database.engine import Database

        with _as_set_up():
            return Database(self._settings.database_url, patience=self._settings.patience)


@contextmanager
def _as_set_up() -> Iterator[None]:
    """Whoever asks us for something cannot mend our own settings."""
    try:
        yield
    except BadInput as error:
        raise Unavailable(f"not set up as it should be: {error}") from error
