#!/usr/bin/env bash
# Checks every manifest of the project against the schemas that Kubernetes publishes (release 1.36), and the typed resources
# of the examples and documents against our own CRDs. What it needs is installed from PyPI into .venv the first time.
set -euo pipefail

packages=(kubernetes-validate==1.37.0 cel-python==0.5.0)

cd "$(dirname "$0")/.."
root=$PWD
library=$root/.venv/manifests-1

mkdir -p .venv
exec 9>.venv/lock
flock 9

# Debian without python3-venv has no ensurepip; there pip itself will do.
python=python3
if [ -x .venv/bin/python ] || python3 -m venv .venv >/dev/null 2>&1; then
  python=$root/.venv/bin/python
fi
if [ ! -e "$library/installed" ]; then
  echo "installing ${packages[*]} from PyPI into .venv" >&2
  "$python" -m pip install --quiet --disable-pip-version-check --target "$library" "${packages[@]}" >&2
  touch "$library/installed"
fi
flock -u 9

# What is applied together can be put together; kubectl needs no cluster for that.
if command -v kubectl >/dev/null 2>&1; then
  for folder in deploy deploy/tutorial; do
    kubectl kustomize "$folder" >/dev/null
  done
fi

PYTHONPATH=$library exec "$python" scripts/manifests.py "$@"
