#!/usr/bin/env bash
# Installs what is missing for `make demo` or `make test` (the first argument) on Debian; with everything there, it
# touches neither the network nor the system.
set -euo pipefail

purpose=${1:-demo}
packages=()

need() { # command, package
  command -v "$1" >/dev/null 2>&1 || packages+=("$2")
}

need redis-server redis-server
need redis-cli redis-tools
need cc build-essential
if [ "$(id -u)" -eq 0 ]; then
  # Network namespaces, and connections captured as in a pod: only root may make them, others do without.
  need ip iproute2
  need iptables iptables
  need unshare util-linux
fi
if [ "$purpose" = test ]; then
  need python3 python3-venv
  need valgrind valgrind
fi

if [ ${#packages[@]} -gt 0 ]; then
  command -v apt-get >/dev/null 2>&1 || { echo "please install: ${packages[*]}" >&2; exit 1; }
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || { echo "please install as root: ${packages[*]}" >&2; exit 1; }
    as_root=(sudo)
  fi
  echo "installing ${packages[*]}" >&2
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${packages[@]}"
fi

if ! command -v cargo >/dev/null 2>&1; then
  echo "Rust is missing: https://rustup.rs installs it" >&2
  exit 1
fi
