"""The models that can be asked for: the champion, its challenger, and any other whose bundle is in the object store."""

import re
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Final, NamedTuple

from matchcast.errors import BundleBroken, NotFound
from matchcast.model.bundle import MANIFEST, Bundle, load_bundle
from matchcast.ports import ObjectStore
from matchcast.usecases.champion import Champion, bundle_files, bundle_prefix, challenger_pointer, champion_at

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
_VERSION: Final = re.compile("[0-9a-f]{16}")
_LOADED: Final = 4
"""Models besides champion and challenger that stay loaded, the last ones asked for."""


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
        self._loaded: OrderedDict[str, Bundle] = OrderedDict()

    def find(self, name: str) -> Bundle:
        """The model that goes by a name.

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
        if not _VERSION.fullmatch(name):
            raise _unknown(name)
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = self._load(name)
                while len(self._loaded) > _LOADED:
                    self._loaded.popitem(last=False)
            self._loaded.move_to_end(name)
            return self._loaded[name]

    def _load(self, version: str) -> Bundle:
        objects, prefix = self._objects(), bundle_prefix(version)
        try:
            objects.get(prefix + MANIFEST)
        except NotFound as error:
            raise _unknown(version) from error
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
