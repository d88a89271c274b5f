import argparse
import logging
import sys
from pathlib import Path

from knative.deploy.cluster import Cluster
from knative.deploy.plan import OVERLAYS, read_images, render
from knative.deploy.rollout import Rollout
from knative.deploy.steps import deploy
from matchcast.errors import MatchcastError

parser = argparse.ArgumentParser("python -m knative.deploy", description="Bring an overlay onto the current cluster.")
parser.add_argument("--overlay", required=True, help=f"a folder under {OVERLAYS}")
parser.add_argument("--images", type=Path, help="lines such as matchcast/lookup=registry/matchcast/lookup@sha256:…")
parser.add_argument("--share", type=int, default=10, help="percent of the traffic that new revisions get at first")
parser.add_argument("--pause", type=float, default=60, help="seconds until they get the rest")
parser.add_argument("--wait", type=int, default=600, help="seconds for anything to become ready")
parser.add_argument("--render", action="store_true", help="only print what would be applied")
arguments = parser.parse_args()

logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
logging.getLogger("httpx").setLevel(logging.WARNING)
try:
    plan = render(arguments.overlay, read_images(arguments.images) if arguments.images else {})
    if arguments.render:
        sys.stdout.write(plan.text)
    else:
        cluster = Cluster(wait_seconds=arguments.wait)
        deploy(plan, cluster, Rollout(cluster, plan, share=arguments.share, pause=arguments.pause))
except MatchcastError as error:
    sys.exit(str(error))
