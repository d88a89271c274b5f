"""Which version is candidate, challenger and champion, in a registry of MLflow's in a file."""

import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import mlflow
import pytest
from typer.testing import CliRunner

from commands.main import app as commands
from knative.local.services.minio import Minio
from matchcast.adapters.objects import S3Access, objects_at
from matchcast.adapters.objects_folder import FolderStore
from matchcast.adapters.registry import BUNDLE_FOLDER, BUNDLE_VERSION, CANDIDATE, MlflowRegistry
from matchcast.errors import Conflict, NotFound, Unavailable
from matchcast.model.bundle import load_bundle
from matchcast.usecases.champion import CHALLENGER_KEY, CHAMPION_KEY, load_champion, reference_key
from matchcast.usecases.models import load_challenger
from pipeline.promotion import challenge, pointed_at, promote, rollback, withdrawn_at
from tests.entrypoints.house import bundle_files

pytestmark = [
    pytest.mark.slow,
    # MLflow's own tables, on this release of SQLAlchemy
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
]

MODEL = "made-up"
NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


BUNDLES = [load_bundle(bundle_files(seed)).version for seed in (1, 2, 3)]


@dataclass(frozen=True)
class House:
    """A registry with three versions, and an object store."""

    registry: MlflowRegistry
    objects: FolderStore

    def aliases(self) -> dict[str, int]:
        return {alias: version.number for version in self.registry.versions() for alias in version.aliases}

    def serving(self) -> int:
        return BUNDLES.index(pointed_at(self.objects) or "") + 1

    def challenging(self) -> int | None:
        challenger = load_challenger(self.objects).model
        return None if challenger is None else BUNDLES.index(challenger.bundle.version) + 1


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of MLflow's with three registered versions, to copy from."""
    folder = tmp_path_factory.mktemp("mlflow")
    file = folder / "mlflow.db"
    client = mlflow.MlflowClient(f"sqlite:///{file}", f"sqlite:///{file}")
    client.create_registered_model(MODEL)
    experiment = client.create_experiment(MODEL, (folder / "runs").as_uri())
    for number, bundle in enumerate(BUNDLES, 1):
        place = folder / f"model-{number}"
        kept = place / "artifacts" / BUNDLE_FOLDER
        kept.mkdir(parents=True)
        for name, content in bundle_files(number).items():
            (kept / name).write_bytes(content)
        run = client.create_run(experiment)
        client.create_model_version(MODEL, place.as_uri(), run.info.run_id, tags={BUNDLE_VERSION: bundle})
        client.set_registered_model_alias(MODEL, CANDIDATE, str(number))
    return file


@pytest.fixture
def house(registered: Path, tmp_path: Path) -> House:
    shutil.copy(registered, tmp_path / "mlflow.db")
    registry = MlflowRegistry(f"sqlite:///{tmp_path}/mlflow.db", MODEL, MODEL, tmp_path / "runs")
    return House(registry, FolderStore(tmp_path / "objects"))


def test_the_last_registered_version_is_the_candidate_and_nothing_serves(house: House) -> None:
    assert house.aliases() == {"candidate": 3}
    assert pointed_at(house.objects) is None


def test_the_promoted_version_is_the_champion_and_serves(house: House) -> None:
    for number in (1, 2):
        promote(house.registry, house.objects, str(number), NOW)
        assert house.aliases() == {"candidate": 3, "champion": number}
        assert house.serving() == number


def test_a_version_is_promoted_into_a_bucket(
    registered: Path, minio: Minio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minio.client().create_bucket(Bucket="promoted")
    shutil.copy(registered, tmp_path / "mlflow.db")
    parameters = Path("params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(
        re.sub(r"^(registry:(?:\n .*)*?\n +model: ).*$", rf"\1{MODEL}", parameters, flags=re.M)
    )
    monkeypatch.chdir(tmp_path)
    environment = {
        "MATCHCAST_OBJECTS_URL": "s3://promoted/house",
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
    }
    answer = CliRunner().invoke(commands, ["promote", "2"], env=environment | minio.environment())
    assert answer.exit_code == 0, answer.output
    objects = objects_at("s3://promoted/house", S3Access(minio.url, minio.user, minio.password))
    assert pointed_at(objects) == BUNDLES[1]
    assert load_champion(objects).bundle.version == BUNDLES[1]


def test_a_challenger_that_is_promoted_challenges_no_more(house: House) -> None:
    promote(house.registry, house.objects, "1", NOW)
    challenge(house.registry, house.objects, "2", NOW)
    assert house.aliases() == {"candidate": 3, "challenger": 2, "champion": 1}
    challenge(house.registry, house.objects, "candidate", NOW)
    assert house.aliases() == {"candidate": 3, "challenger": 3, "champion": 1}
    assert house.challenging() == 3
    promote(house.registry, house.objects, "challenger", LATER)
    assert house.aliases() == {"candidate": 3, "champion": 3}
    assert (house.serving(), house.challenging()) == (3, None)


def test_a_challenger_serves_beside_the_champion_and_comes_back_after_its_pointer_was_lost(house: House) -> None:
    promote(house.registry, house.objects, "1", NOW)
    challenge(house.registry, house.objects, "2", NOW)
    before = house.objects.get(CHALLENGER_KEY)
    challenge(house.registry, house.objects, "2", LATER)
    assert house.objects.get(CHALLENGER_KEY) == before
    house.objects.put(CHALLENGER_KEY, b"lost")
    challenge(house.registry, house.objects, "2", LATER)
    assert (house.serving(), house.challenging()) == (1, 2)


def test_the_champion_cannot_challenge_itself(house: House) -> None:
    promote(house.registry, house.objects, "1", NOW)
    with pytest.raises(Conflict, match="is the champion: name another"):
        challenge(house.registry, house.objects, "champion", NOW)
    assert house.aliases() == {"candidate": 3, "champion": 1}


def test_the_reference_stands_beside_the_bundle_before_the_pointer_does(house: House, tmp_path: Path) -> None:
    """Drift is watched against it from the first moment on; a damaged one is mended by promoting again."""
    put: list[str] = []

    class Noting(FolderStore):
        def put(self, key: str, content: bytes) -> str:
            put.append(key)
            return super().put(key, content)

    kept = tmp_path / "reference_features.parquet"
    kept.write_bytes(b"rows")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db", f"sqlite:///{tmp_path}/mlflow.db")
    client.log_artifact(house.registry.find("3").run_id, str(kept), "data")
    objects = Noting(tmp_path / "objects")
    promote(house.registry, objects, "3", NOW)
    key = reference_key(BUNDLES[2])
    assert put.index(key) < put.index(CHAMPION_KEY)
    assert objects.get(key) == b"rows"
    objects.put(key, b"damaged")
    promote(house.registry, objects, "3", LATER)
    assert objects.get(key) == b"rows"


def test_a_version_registered_without_a_reference_is_promoted_all_the_same(house: House) -> None:
    promote(house.registry, house.objects, "1", NOW)
    assert house.serving() == 1
    assert house.objects.etag(reference_key(BUNDLES[0])) is None


def test_a_promotion_leaves_another_challenger_alone(house: House) -> None:
    challenge(house.registry, house.objects, "2", NOW)
    promote(house.registry, house.objects, "candidate", NOW)
    assert house.aliases() == {"candidate": 3, "challenger": 2, "champion": 3}
    assert house.challenging() == 2


def test_a_rollback_brings_the_champion_before_back_and_marks_the_one_withdrawn(house: House) -> None:
    promote(house.registry, house.objects, "1", NOW)
    promote(house.registry, house.objects, "2", NOW)
    rollback(house.registry, house.objects, LATER)
    assert house.aliases() == {"candidate": 3, "champion": 1}
    assert house.serving() == 1
    assert withdrawn_at(house.registry.find("2")) == LATER.isoformat()
    assert withdrawn_at(house.registry.find("1")) is None

    promote(house.registry, house.objects, "2", LATER + timedelta(hours=1))
    assert withdrawn_at(house.registry.find("2")) is None, "promoted again by hand, it counts as any other"


def test_a_rollback_that_ends_halfway_holds_and_can_be_repeated(house: House, tmp_path: Path) -> None:
    """The object store is away when the pointer is written: the version stays withdrawn, so no gate lets it back."""
    promote(house.registry, house.objects, "1", NOW)
    promote(house.registry, house.objects, "2", NOW)

    class Away(FolderStore):
        def put(self, key: str, content: bytes) -> str:
            raise Unavailable("the object store is away")

    with pytest.raises(Unavailable):
        rollback(house.registry, Away(tmp_path / "objects"), LATER)
    assert withdrawn_at(house.registry.find("2")) == LATER.isoformat()
    assert house.serving() == 2

    rollback(house.registry, house.objects, LATER + timedelta(hours=1))
    assert house.aliases() == {"candidate": 3, "champion": 1}
    assert house.serving() == 1


def test_the_first_champion_cannot_be_rolled_back(house: House) -> None:
    promote(house.registry, house.objects, "1", NOW)
    with pytest.raises(NotFound, match="no champion was before this one"):
        rollback(house.registry, house.objects, LATER)
    assert house.serving() == 1


def test_a_promotion_repeated_changes_nothing(house: House) -> None:
    promote(house.registry, house.objects, "1", NOW)
    promote(house.registry, house.objects, "2", NOW)
    before = house.registry.promotions()
    promote(house.registry, house.objects, "2", LATER)
    assert house.registry.promotions() == before
