import argparse
import os
import sys
from pathlib import Path

from knative.local.manifests import BASE
from knative.local.runtime import BROKER, IDLE_SECONDS, MEMORY, run
from matchcast.errors import MatchcastError

parser = argparse.ArgumentParser("python -m knative.local", description="Run the manifests on this machine.")
parser.add_argument("--port", type=int, default=8080)
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument(
    "--broker",
    default=os.environ.get(BROKER) or MEMORY,
    metavar="memory|amqp://…",
    help=f"where events are kept; by default, what {BROKER} says",
)
parser.add_argument("--processes", action="store_true", help="functions as processes that start on first traffic")
parser.add_argument("--idle-seconds", type=float, default=IDLE_SECONDS, help="after which such a process is stopped")
parser.add_argument("--jobs", action="store_true", help="run the commands of JobSinks")
parser.add_argument("--manifests", type=Path, default=BASE, metavar="FOLDER", help="a kustomization")
given = parser.parse_args()
try:
    run(given.port, given.host, given.broker, given.processes, given.idle_seconds, given.jobs, given.manifests)
except MatchcastError as error:
    sys.exit(f"matchcast: {error}")
