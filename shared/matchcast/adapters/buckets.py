"""Buckets on MinIO, and the notification that tells of a new champion; botocore is imported on first use."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final

from matchcast.adapters.objects import S3Access
from matchcast.errors import BadInput, Unavailable

NOTIFICATION: Final = "matchcast-champion"
_REFUSED: Final = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch")


class Buckets:
    """Buckets of one server, made and subscribed to by S3's own calls; every call may be repeated.

    Every method raises Unavailable when the server is away or refuses us.
    """

    def __init__(self, access: S3Access) -> None:
        self._access: Final = access

    def make(self, name: str) -> bool:
        """Make a bucket; False if it is there already.

        Raises:
            BadInput: the name is none, or somebody else's.
        """
        with self._translated(name):
            try:
                self._s3.create_bucket(Bucket=name)
            except self._s3.exceptions.BucketAlreadyOwnedByYou:
                return False
            except self._s3.exceptions.BucketAlreadyExists as error:
                raise BadInput(f"bucket {name} belongs to somebody else; choose another name", "bucket") from error
        return True

    def notify(self, name: str, suffix: str, hook: str) -> bool:
        """Have puts of keys that end so told to a webhook; other notifications stay. False if it is so already.

        Args:
            hook: the webhook's name in MinIO's environment, as in MINIO_NOTIFY_WEBHOOK_ENABLE_<hook>.
        Raises:
            BadInput: MinIO knows no such webhook; the message says how to give it one.
        """
        wanted = {
            "Id": NOTIFICATION,
            "QueueArn": f"arn:minio:sqs::{hook}:webhook",
            "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": suffix}]}},
        }
        with self._translated(name):
            known = self._s3.get_bucket_notification_configuration(Bucket=name)
            known.pop("ResponseMetadata", None)
            queues = known.get("QueueConfigurations", [])
            if any(_same(queue, wanted) for queue in queues):
                return False
            others = [queue for queue in queues if queue.get("Id") != NOTIFICATION]
            try:
                self._s3.put_bucket_notification_configuration(
                    Bucket=name, NotificationConfiguration=known | {"QueueConfigurations": [*others, wanted]}
                )
            except self._s3.exceptions.ClientError as error:
                if "ARN" not in str(error):
                    raise
                raise BadInput(_WEBHOOK.format(hook=hook), "hook") from error
        return True

    @cached_property
    def _s3(self) -> Any:
        import botocore.session  # type: ignore[import-untyped]

        return botocore.session.get_session().create_client(
            "s3",
            endpoint_url=self._access.endpoint,
            aws_access_key_id=self._access.key_id,
            aws_secret_access_key=self._access.secret,
            region_name=self._access.region,
        )

    @contextmanager
    def _translated(self, bucket: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code == "InvalidBucketName":
                raise BadInput(f"{bucket!r} is no name for a bucket: 3 to 63 of a-z, 0-9, - and .", "bucket") from error
            remedy = "; correct AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or its policy" if code in _REFUSED else ""
            raise Unavailable(f"bucket {bucket} at {self._access.endpoint}: {code}{remedy}") from error
        except BotoCoreError as error:
            raise Unavailable(f"{self._access.endpoint} cannot be used ({error})") from error


_WEBHOOK: Final = """MinIO knows no webhook {hook}. Start it with these variables, then run this again:
  MINIO_NOTIFY_WEBHOOK_ENABLE_{hook}=on
  MINIO_NOTIFY_WEBHOOK_ENDPOINT_{hook}=http://reload.matchcast.svc.cluster.local/hooks/minio
  MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_{hook}=(what MATCHCAST_HOOK_TOKEN is)
  MINIO_NOTIFY_WEBHOOK_QUEUE_DIR_{hook}=(a folder that outlives it: what could not be delivered waits there)"""


def _same(known: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether a notification tells the same to the same; a server may write names in its own way."""
    rules = known.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    told = (known.get("QueueArn"), sorted(known.get("Events", [])), [(r["Name"].lower(), r["Value"]) for r in rules])
    asked = wanted["Filter"]["Key"]["FilterRules"]
    return told == (wanted["QueueArn"], wanted["Events"], [(rule["Name"], rule["Value"]) for rule in asked])
