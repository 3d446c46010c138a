#!/usr/bin/env bash
# Measures slotmesh beside Envoy, twemproxy, HAProxy and Redis itself; docs/performance.md says how. `make bench` calls it.
#
#   QUICK=1        the bars only, in under three minutes once everything is built
#   FLOOR=FOLDER   adds the Cargo project in FOLDER, whose binary is called `floor PORT PRIMARY PRIMARY PRIMARY`
#   ONLY=TEXT      only workloads whose name contains TEXT
#   ROUNDS=N       instead of 5, or 3 when quick
#   SLOTMESH=FILE  measures this binary instead of building one
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}

scripts/install.sh test

# The peers, from Debian; started here by hand, with configurations of our own.
missing=()
[ -x /usr/sbin/nutcracker ] || command -v nutcracker >/dev/null || missing+=(nutcracker)
[ -x /usr/sbin/haproxy ] || command -v haproxy >/dev/null || missing+=(haproxy)
if [ ${#missing[@]} -gt 0 ]; then
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  echo "installing ${missing[*]}" >&2
  if ! { "${as_root[@]}" apt-get update -q && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends "${missing[@]}"; } >&2; then
    echo "could not install ${missing[*]}: left out" >&2
  fi
fi

arguments=()
command="make bench"
[ -z "${QUICK:-}" ] || { arguments+=(--quick); command+=" QUICK=1"; }
[ -z "${ONLY:-}" ] || { arguments+=(--only "$ONLY"); command+=" ONLY=$ONLY"; }
[ -z "${ROUNDS:-}" ] || { arguments+=(--rounds "$ROUNDS"); command+=" ROUNDS=$ROUNDS"; }

if envoy=$(scripts/envoy.sh); then
  arguments+=(--envoy "$envoy")
fi
if [ -n "${FLOOR:-}" ]; then
  cargo build --quiet --release --locked --manifest-path "$FLOOR/Cargo.toml" --target-dir "$target/floor"
  arguments+=(--floor "$target/floor/release/floor")
  command+=" FLOOR=…"
fi
# Two builds: what is measured is the very binary that is shipped, whatever features the generator wants.
if [ -z "${SLOTMESH:-}" ]; then
  echo "building slotmesh as it is shipped (a few minutes the first time)" >&2
  cargo build --quiet --locked --profile dist --package slotmesh
  SLOTMESH=$target/dist/slotmesh
fi
cargo build --quiet --locked --release --package bench

# Ten thousand clients are ten thousand open files.
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"
exec "$target/release/slotmesh-bench" run --slotmesh "$SLOTMESH" --command "$command" "${arguments[@]}"
