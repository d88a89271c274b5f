#!/usr/bin/env bash
# Make what functions/Containerfile starts from where no registry can be reached: Debian's Python 3.11, and uv.
# Both stay in podman's storage and are made once. Prints BASE=... and UV=...
set -euo pipefail
cd "$(dirname "$0")"
uv_version=$(sed -n 's/^ARG UV=.*://p' Containerfile)
base=localhost/python-base:bookworm
uv_image=localhost/uv:$uv_version

if ! podman image exists "$base"; then
  if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap >/dev/null; then
    echo "A base image needs root and debootstrap (Debian: apt-get install debootstrap); or give BASE and UV yourself." >&2
    exit 1
  fi
  root=$(mktemp -d)
  trap 'rm -rf "$root"' EXIT
  debootstrap --variant=minbase --include=python3,ca-certificates bookworm "$root" >&2
  chmod 755 "$root"
  tar -C "$root" -c --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./usr/share/doc/*' \
    --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' . | podman import --quiet - "$base" >&2
fi

if ! podman image exists "$uv_image"; then
  made=$(mktemp -d)
  trap 'rm -rf "${root:-}" "$made"' EXIT
  "$(command -v uv || echo ../.tools/bin/uv)" pip install --quiet --target "$made" "uv==$uv_version" >&2
  tar -C "$made/bin" -c uv | podman import --quiet - "$uv_image" >&2
fi

echo "BASE=$base"
echo "UV=$uv_image"
