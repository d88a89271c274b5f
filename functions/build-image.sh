#!/usr/bin/env bash
# Build the image of a function, or of `retrain`:
#
#   functions/build-image.sh FUNCTION [TAG]
#
# TAG is matchcast/<name of the Service> by default. Taken from the environment:
#   BASE, UV   images to start from, by default the Containerfile's; BASE=local makes them here (functions/base-image.sh)
#   ENGINE     podman or docker, by default what is found
#   UV_INDEX, UV_DEFAULT_INDEX, SSL_CERT_FILE, ...: how uv reaches packages; nothing of it stays in the image
set -euo pipefail
cd "$(dirname "$0")/.."
function=${1:?which function? One of the folders under functions/, or retrain}
tag=${2:-matchcast/${function//_/-}}
engine=${ENGINE:-$(command -v podman || command -v docker || true)}
if [ -z "$engine" ]; then
  echo "Building an image needs podman or docker; neither is on PATH." >&2
  exit 1
fi
if [ "$function" != retrain ] && ! grep -q " AS for-$function\$" functions/Containerfile; then
  echo "$function: functions/Containerfile has no line \"FROM ... AS for-$function\" that says what it needs" >&2
  exit 1
fi

arguments=(--file functions/Containerfile --tag "$tag")
if [ "$function" = retrain ]; then arguments+=(--target retrain); else arguments+=(--build-arg "FUNCTION=$function"); fi
arguments+=(--build-arg "REVISION=$(git describe --always --abbrev=40 --dirty --exclude='*' 2>/dev/null || true)")
arguments+=(--build-arg "LOCK=$(cat pyproject.toml uv.lock | sha256sum | cut -c1-16)")
if [ "${BASE:-}" = local ]; then
  for image in $(functions/base-image.sh); do arguments+=(--build-arg "$image"); done
else
  for name in BASE UV; do if [ -n "${!name:-}" ]; then arguments+=(--build-arg "$name=${!name}"); fi; done
fi
if [ -f "${SSL_CERT_FILE:-}" ]; then arguments+=(--secret "id=ca,src=$SSL_CERT_FILE"); fi
environment=$(mktemp)
trap 'rm -f "$environment"' EXIT
for name in $(compgen -e | grep -E '^UV_(DEFAULT_INDEX|INDEX|EXTRA_INDEX|HTTP|NATIVE_TLS|SYSTEM_CERTS)' || true); do
  printf 'export %s=%q\n' "$name" "${!name}" >> "$environment"
done
arguments+=(--secret "id=environment,src=$environment")

# where a build is itself in a container, only chroot can be had
case $engine in *podman) export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot} ;; esac
"$engine" build "${arguments[@]}" .
