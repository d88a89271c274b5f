"""`matchcast buckets` on a real MinIO."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from commands.main import app as commands
from knative.local.services.minio import Minio, private_minio, webhook
from matchcast.usecases.champion import CHAMPION_KEY

OBJECTS = "s3://made-by-us/a house"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minio]:
    """It knows a webhook, which nobody answers, and what else tells of puts."""
    folder = tmp_path_factory.mktemp("queues")
    nowhere = "http://127.0.0.1:1/hooks/minio"
    with private_minio(started=False) as minio:
        minio.start(webhook(nowhere, "x", folder / "reload") | webhook(nowhere, "x", folder / "other", name="OTHER"))
        yield minio


def run(server: Minio, *arguments: str, **changes: str) -> Result:
    environment = {"MATCHCAST_OBJECTS_URL": OBJECTS} | server.environment() | changes
    return CliRunner().invoke(commands, ["buckets", *arguments], env=environment)


def subscriptions(server: Minio) -> list[tuple[str, str]]:
    """Webhook and suffix of each."""
    told = server.client().get_bucket_notification_configuration(Bucket="made-by-us").get("QueueConfigurations", [])
    return sorted((q["QueueArn"], q["Filter"]["Key"]["FilterRules"][0]["Value"]) for q in told)


def test_buckets_are_made_and_champions_told_once_for_all(server: Minio) -> None:
    first = run(server, "mlflow", "dvc")
    assert first.exit_code == 0, first.output
    assert first.output.count(": made") == 3
    assert {bucket["Name"] for bucket in server.client().list_buckets()["Buckets"]} >= {"made-by-us", "mlflow", "dvc"}
    ours = ("arn:minio:sqs::RELOAD:webhook", CHAMPION_KEY)
    assert subscriptions(server) == [ours]

    theirs = {
        "Id": "of somebody else", "QueueArn": "arn:minio:sqs::OTHER:webhook", "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".csv"}]}},
    }  # fmt: skip
    s3 = server.client()
    known = s3.get_bucket_notification_configuration(Bucket="made-by-us")["QueueConfigurations"]
    s3.put_bucket_notification_configuration(
        Bucket="made-by-us", NotificationConfiguration={"QueueConfigurations": [*known, theirs]}
    )
    again = run(server, "mlflow", "dvc")
    assert again.exit_code == 0, again.output
    assert again.output.count(": is there") == 3
    assert "were told before" in again.output
    moved = run(server, "--hook", "OTHER")
    assert moved.exit_code == 0, moved.output
    assert subscriptions(server) == [
        ("arn:minio:sqs::OTHER:webhook", ".csv"),
        ("arn:minio:sqs::OTHER:webhook", CHAMPION_KEY),
    ]


def test_a_webhook_that_minio_does_not_know_is_told_how_to_set_up(server: Minio) -> None:
    answer = run(server, "--hook", "NOBODY")
    assert answer.exit_code == 1
    assert "MinIO knows no webhook NOBODY" in answer.output
    assert "MINIO_NOTIFY_WEBHOOK_QUEUE_DIR_NOBODY=" in answer.output


@pytest.mark.parametrize(
    ("arguments", "changes", "words"),
    [
        ((), {"MATCHCAST_OBJECTS_URL": "var/objects"}, "MATCHCAST_OBJECTS_URL, AWS_ENDPOINT_URL: name a bucket"),
        ((), {"AWS_ENDPOINT_URL": ""}, "MATCHCAST_OBJECTS_URL, AWS_ENDPOINT_URL: name a bucket"),
        ((), {"AWS_SECRET_ACCESS_KEY": "wrong"}, "correct AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"),
        (("Not_A_Name",), {}, "'Not_A_Name' is no name for a bucket"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_with_its_remedy(
    server: Minio, arguments: tuple[str, ...], changes: dict[str, str], words: str
) -> None:
    answer = run(server, *arguments, **changes)
    assert (answer.exit_code, words in answer.output) == (1, True), answer.output


def test_a_server_that_is_away_is_named(tmp_path: Path) -> None:
    with private_minio(started=False) as server:
        answer = run(server)
    assert answer.exit_code == 1
    assert f"{server.url} cannot be used" in answer.output
