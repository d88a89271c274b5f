"""The models that can be asked for: the champion, its challenger, and any other whose bundle is in the object store."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock
from typing import Final, NamedTuple

from matchcast.domain.forecast import CHALLENGER, CHAMPION, VERSION
from matchcast.errors import BundleBroken, NotFound
from matchcast.model.bundle import MANIFEST, Bundle, load_bundle
from matchcast.ports import ObjectStore
from matchcast.usecases.champion import Champion, bundle_files, bundle_prefix, challenger_pointer, champion_at

_LOADED: Final = 4
"""Models besides champion and challenger that stay loaded, the last ones asked for."""
_ABSENT: Final = timedelta(seconds=5)
"""So long a version that is not in the store is not looked for again."""
_MOST_ABSENT: Final = 1000


class Challenger(NamedTuple):
    """The challenger, loaded and checked; None while there is none."""

    model: Champion | None


def load_challenger(objects: ObjectStore) -> Challenger:
    """The challenger, its hashes and golden rows checked.

    Raises:
        Unavailable: the store is away.
        BundleBroken: the pointer or the bundle is damaged or incomplete, or was made by other feature code.
    """
    pointer = challenger_pointer(objects)
    return Challenger(None if pointer is None else champion_at(pointer, objects))


class Models:
    """Finds a model by the name that a request gives.

    Args:
        champion, challenger: the current ones.
        objects: opens the store, where other versions are.
    """

    def __init__(
        self,
        champion: Callable[[], Champion],
        challenger: Callable[[], Challenger],
        objects: Callable[[], ObjectStore],
    ) -> None:
        self._champion = champion
        self._challenger = challenger
        self._objects = objects
        self._lock = Lock()
        self._loading = Lock()
        self._loaded: OrderedDict[str, Bundle] = OrderedDict()
        self._absent: OrderedDict[str, datetime] = OrderedDict()

    def loaded(self, version: str) -> Bundle | None:
        """The model of this version, if it was asked for a moment ago."""
        with self._lock:
            bundle = self._loaded.get(version)
            if bundle is not None:
                self._loaded.move_to_end(version)
            return bundle

    def find(self, name: str, now: datetime) -> Bundle:
        """The model that goes by a name; one version is loaded at a time, and others wait for that.

        Args:
            name: champion, challenger, or a version.
        Raises:
            NotFound: none does.
            BundleBroken: its bundle is damaged, or was made by other feature code.
            Unavailable: there is no champion, or the store is away.
        """
        champion = self._champion().bundle
        if name in (CHAMPION, champion.version):
            return champion
        if name == CHALLENGER:
            challenger = self._challenger().model
            if challenger is None:
                raise NotFound(
                    "model: there is no challenger now; leave it out for the champion, or give a version that "
                    "`matchcast models` lists"
                )
            return challenger.bundle
        if not VERSION.fullmatch(name):
            raise _unknown(name)
        with self._loading:
            return self.loaded(name) or self._keep(self._unless_absent(name, now))

    def _keep(self, bundle: Bundle) -> Bundle:
        with self._lock:
            self._loaded[bundle.version] = bundle
            while len(self._loaded) > _LOADED:
                self._loaded.popitem(last=False)
        return bundle

    def _unless_absent(self, version: str, now: datetime) -> Bundle:
        noted = self._absent.pop(version, None)
        if noted is None or abs(now - noted) >= _ABSENT:
            try:
                return self._load(version)
            except NotFound:
                noted = now
        self._absent[version] = noted
        if len(self._absent) > _MOST_ABSENT:
            self._absent.popitem(last=False)
        raise _unknown(version)

    def _load(self, version: str) -> Bundle:
        objects, prefix = self._objects(), bundle_prefix(version)
        objects.get(prefix + MANIFEST)
        bundle = load_bundle(bundle_files(prefix, objects))
        if bundle.version != version:
            raise BundleBroken(
                f"{prefix} holds version {bundle.version}: run `matchcast promote {version}`, which writes it again"
            )
        return bundle


def _unknown(name: str) -> NotFound:
    return NotFound(
        f"model: no model goes by {name[:80]!r}; give champion, challenger or a version that `matchcast models` lists and "
        "that was promoted or named challenger once"
    )
