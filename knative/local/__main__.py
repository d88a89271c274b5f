import argparse

from knative.local.runtime import run

parser = argparse.ArgumentParser("python -m knative.local", description="Run the manifests on this machine.")
parser.add_argument("--port", type=int, default=8080)
parser.add_argument("--host", default="127.0.0.1")
arguments = parser.parse_args()
run(arguments.port, arguments.host)
