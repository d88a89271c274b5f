"""The model that serves: a bundle in the object store and the pointer that makes it the champion."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final, NamedTuple

from matchcast.errors import BundleBroken, NotFound, Unavailable
from matchcast.model.bundle import MANIFEST, SERVED_FILES, Bundle, load_bundle
from matchcast.ports import ObjectStore

CHAMPION_KEY: Final = "models/champion.json"


def reference_key(version: str) -> str:
    """Where a model's reference is: the last feature rows it was trained on (Parquet); no part of the bundle."""
    return f"models/{version}/reference_features.parquet"


@dataclass(frozen=True, slots=True)
class ChampionPointer:
    """Which bundle serves. Instants are ISO 8601 in UTC.

    Attributes:
        prefix: where its files are, `models/<version>/`.
        manifest_sha256: of its manifest, which holds the hashes of the other files.
        registered_at: when the registry got the model; its age counts from here.
    """

    version: str
    run_id: str
    prefix: str
    manifest_sha256: str
    registered_at: str
    promoted_at: str


class Champion(NamedTuple):
    """The serving model, loaded and checked."""

    bundle: Bundle
    pointer: ChampionPointer


def set_champion(
    objects: ObjectStore, files: Mapping[str, bytes], registered_at: str, promoted_at: str
) -> ChampionPointer:
    """Check a bundle, write its files, and last the pointer to it.

    Args:
        files: the bundle's files by name, as `model.bundle.pack_bundle` gives them.
    Raises:
        BundleBroken: the bundle would not load; nothing was written.
        Unavailable: the store refused; the champion is the one before.
    """
    bundle = load_bundle(files)
    pointer = ChampionPointer(
        version=bundle.version,
        run_id=bundle.run_id,
        prefix=f"models/{bundle.version}/",
        manifest_sha256=hashlib.sha256(files[MANIFEST]).hexdigest(),
        registered_at=registered_at,
        promoted_at=promoted_at,
    )
    for name, content in files.items():
        objects.put(pointer.prefix + name, content)
    objects.put(CHAMPION_KEY, json.dumps(asdict(pointer), indent=1, sort_keys=True).encode())
    return pointer


def load_champion(objects: ObjectStore) -> Champion:
    """The champion, its hashes and golden rows checked.

    Raises:
        Unavailable: there is no champion, or the store is away.
        BundleBroken: the pointer or the bundle is damaged or incomplete, or was made by other feature code.
    """
    return champion_at(champion_pointer(objects), objects)


def champion_at(pointer: ChampionPointer, objects: ObjectStore) -> Champion:
    """The champion that a pointer names, its hashes and golden rows checked.

    Raises:
        Unavailable: the store is away.
        BundleBroken: the bundle is damaged or incomplete, or was made by other feature code.
    """
    files = {name: _file(objects, pointer, name) for name in (MANIFEST, *SERVED_FILES)}
    if hashlib.sha256(files[MANIFEST]).hexdigest() != pointer.manifest_sha256:
        raise BundleBroken(
            f"{pointer.prefix}{MANIFEST} is not the manifest that {CHAMPION_KEY} names: "
            f"run `matchcast promote {pointer.version}` again"
        )
    bundle = load_bundle(files)
    if bundle.version != pointer.version:
        raise BundleBroken(
            f"{CHAMPION_KEY} names version {pointer.version}, {pointer.prefix} holds {bundle.version}: "
            f"run `matchcast promote {pointer.version}` again"
        )
    return Champion(bundle, pointer)


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


def read_pointer(raw: bytes) -> ChampionPointer:
    """The pointer in these bytes.

    Raises:
        BundleBroken: it cannot be read.
    """
    try:
        pointer = ChampionPointer(**json.loads(raw))
        if not all(isinstance(value, str) and value for value in asdict(pointer).values()):
            raise ValueError("a field is empty or no text")
    except (ValueError, TypeError) as error:
        raise BundleBroken(f"{CHAMPION_KEY} cannot be read ({error}): run `matchcast promote VERSION`") from error
    return pointer


def _file(objects: ObjectStore, pointer: ChampionPointer, name: str) -> bytes:
    try:
        return objects.get(pointer.prefix + name)
    except NotFound as error:
        raise BundleBroken(
            f"the champion's file {pointer.prefix}{name} is missing: run `matchcast promote {pointer.version}` again"
        ) from error
