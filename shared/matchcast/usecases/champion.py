"""The models that serve: bundles in the object store, and the pointers that make one of them the champion or its challenger."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from matchcast.errors import BundleBroken, NotFound, Unavailable
from matchcast.model.bundle import MANIFEST, SERVED_FILES, Bundle, load_bundle
from matchcast.ports import ObjectStore

CHAMPION_KEY: Final = "models/champion.json"
CHALLENGER_KEY: Final = "models/challenger.json"


_NAMES: Final = {CHAMPION_KEY: "promote", CHALLENGER_KEY: "challenge"}
"""The command that writes a pointer."""
_NOBODY: Final = b"null"
"""What `CHALLENGER_KEY` holds while there is none."""


def bundle_prefix(version: str) -> str:
    """Where a model's bundle is."""
    return f"models/{version}/"


def reference_key(version: str) -> str:
    """Where a model's reference is: the last feature rows it was trained on (Parquet); no part of the bundle."""
    return f"models/{version}/reference_features.parquet"


@dataclass(frozen=True, slots=True)
class ChampionPointer:
    """Which bundle is the champion, or the challenger. Instants are ISO 8601 in UTC.

    Attributes:
        prefix: where its files are, `models/<version>/`.
        manifest_sha256: of its manifest, which holds the hashes of the other files.
        registered_at: when the registry got the model; its age counts from here.
        promoted_at: since when it is what the pointer says.
    """

    version: str
    run_id: str
    prefix: str
    manifest_sha256: str
    registered_at: str
    promoted_at: str


class Champion(NamedTuple):
    """The serving model (or the challenger), loaded and checked."""

    bundle: Bundle
    pointer: ChampionPointer


def set_champion(
    objects: ObjectStore, files: Mapping[str, bytes], registered_at: str, promoted_at: str
) -> ChampionPointer:
    """Check a bundle, write its files, and last the pointer to it.

    Args:
        files: the bundle's files by name, as `model.bundle.pack_bundle` gives them.
        promoted_at: by the caller's clock; if that is not after the promotion before, the first instant that is.
    Raises:
        BundleBroken: the bundle would not load; nothing was written.
        Unavailable: the store refused; the champion is the one before.
    """
    return _set_pointer(objects, CHAMPION_KEY, files, registered_at, promoted_at)


def set_challenger(
    objects: ObjectStore, files: Mapping[str, bytes], registered_at: str, named_at: str
) -> ChampionPointer:
    """As `set_champion`, for the model that stands beside the champion."""
    return _set_pointer(objects, CHALLENGER_KEY, files, registered_at, named_at)


def end_challenge(objects: ObjectStore) -> None:
    """From now on there is no challenger."""
    if challenger_pointer(objects) is not None:
        objects.put(CHALLENGER_KEY, _NOBODY)


def _set_pointer(
    objects: ObjectStore, key: str, files: Mapping[str, bytes], registered_at: str, promoted_at: str
) -> ChampionPointer:
    bundle = load_bundle(files)
    pointer = ChampionPointer(
        version=bundle.version,
        run_id=bundle.run_id,
        prefix=bundle_prefix(bundle.version),
        manifest_sha256=hashlib.sha256(files[MANIFEST]).hexdigest(),
        registered_at=registered_at,
        promoted_at=_after_the_last(promoted_at, key, objects),
    )
    for name, content in files.items():
        objects.put(pointer.prefix + name, content)
    objects.put(key, json.dumps(asdict(pointer), indent=1, sort_keys=True).encode())
    return pointer


def load_champion(objects: ObjectStore) -> Champion:
    """The champion, its hashes and golden rows checked.

    Raises:
        Unavailable: there is no champion, or the store is away.
        BundleBroken: the pointer or the bundle is damaged or incomplete, or was made by other feature code.
    """
    return champion_at(champion_pointer(objects), objects)


def champion_at(pointer: ChampionPointer, objects: ObjectStore) -> Champion:
    """The model that a pointer names, its hashes and golden rows checked.

    Raises:
        Unavailable: the store is away.
        BundleBroken: the bundle is damaged or incomplete, or was made by other feature code.
    """
    remedy = f"run `matchcast promote {pointer.version}` again"
    files = bundle_files(pointer.prefix, objects)
    if hashlib.sha256(files[MANIFEST]).hexdigest() != pointer.manifest_sha256:
        raise BundleBroken(f"{pointer.prefix}{MANIFEST} is not the manifest that its pointer names: {remedy}")
    bundle = load_bundle(files)
    if bundle.version != pointer.version:
        raise BundleBroken(
            f"the pointer names version {pointer.version}, {pointer.prefix} holds {bundle.version}: {remedy}"
        )
    return Champion(bundle, pointer)


def bundle_files(prefix: str, objects: ObjectStore) -> dict[str, bytes]:
    """The files of a bundle in the store that serving reads, unchecked.

    Raises:
        BundleBroken: one is missing.
        Unavailable: the store is away.
    """
    files = {}
    for name in (MANIFEST, *SERVED_FILES):
        try:
            files[name] = objects.get(prefix + name)
        except NotFound as error:
            raise BundleBroken(
                f"the model's file {prefix}{name} is missing: run `matchcast promote VERSION` again"
            ) from error
    return files


def challenger_pointer(objects: ObjectStore) -> ChampionPointer | None:
    """Which bundle is the challenger; None if there is none.

    Raises:
        Unavailable: the store is away.
        BundleBroken: the pointer cannot be read.
    """
    try:
        raw = objects.get(CHALLENGER_KEY)
    except NotFound:
        return None
    return None if raw.strip() == _NOBODY else read_pointer(raw, CHALLENGER_KEY)


def champion_pointer(objects: ObjectStore) -> ChampionPointer:
    """Which bundle is the champion, without loading it.

    Raises:
        Unavailable: there is none, or the store is away.
        BundleBroken: the pointer cannot be read.
    """
    try:
        raw = objects.get(CHAMPION_KEY)
    except NotFound as error:
        raise Unavailable("no champion yet: run `make demo` or `matchcast promote VERSION`") from error
    return read_pointer(raw)


def read_pointer(raw: bytes, key: str = CHAMPION_KEY) -> ChampionPointer:
    """The pointer in these bytes.

    Args:
        key: where they are from.
    Raises:
        BundleBroken: it cannot be read.
    """
    try:
        pointer = ChampionPointer(**msgspec.json.decode(raw))
        if not all(isinstance(value, str) and value for value in asdict(pointer).values()):
            raise ValueError("a field is empty or no text")
        for name in ("registered_at", "promoted_at"):
            _check_instant(name, getattr(pointer, name))
    except (ValueError, TypeError) as error:
        raise BundleBroken(f"{key} cannot be read ({error}): run `matchcast {_NAMES[key]} VERSION`") from error
    return pointer


def _check_instant(name: str, text: str) -> None:
    try:
        known = datetime.fromisoformat(text).utcoffset() is not None
    except ValueError:
        known = False
    if not known:
        raise ValueError(f"{name} {text[:40]!r} is no instant with its offset from UTC")


def _after_the_last(promoted_at: str, key: str, objects: ObjectStore) -> str:
    """Promotions go forward, whatever clocks say; so the same bundle promoted again is another promotion."""
    try:
        last = datetime.fromisoformat(read_pointer(objects.get(key), key).promoted_at)
        return max(datetime.fromisoformat(promoted_at), last + timedelta(microseconds=1)).isoformat()
    except (NotFound, Unavailable, ValueError, TypeError):  # there is none, or none that can be read
        return promoted_at
