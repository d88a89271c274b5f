#!/bin/sh
# Train anew: take this project into the current folder, export the database, run the pipeline. Arguments: dvc repro's.
set -eu
project=$(cd "$(dirname "$0")/.." && pwd)
if [ "$project" != "$(pwd)" ]; then cp -R "$project/." .; fi
python -m commands export
exec dvc repro "$@"
