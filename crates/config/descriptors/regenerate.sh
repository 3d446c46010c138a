#!/bin/sh
# Rebuilds envoy.binpb.gz, the descriptors of every message that a proxy's bootstrap can hold, and mesh.binpb.gz, those
# of Envoy's whole v3 API and of the messages under beside/, which a control plane is asked to patch; from crates.io alone.
#
# The .proto files come out of the package `envoy-types` (Envoy's data-plane-api and all that it imports), the compiler
# out of `protoc-bin-vendored-linux-x86_64`; cargo downloads both and checks them against the registry's checksums.
# In envoy.binpb.gz only the files named in `roots` and what they import are kept: the whole API is three times as
# large, and a type that is not here is refused by name. Run it on Linux x86_64: crates/config/descriptors/regenerate.sh
set -eu

envoy_types=0.7.7
protoc_bin=3.3.0
here=$(cd "$(dirname "$0")" && pwd)

roots="
envoy/config/bootstrap/v3/bootstrap.proto
envoy/extensions/clusters/redis/v3/redis_cluster.proto
envoy/extensions/filters/listener/http_inspector/v3/http_inspector.proto
envoy/extensions/filters/listener/original_dst/v3/original_dst.proto
envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto
envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto
envoy/extensions/filters/network/redis_proxy/v3/redis_proxy.proto
envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto
envoy/extensions/health_checkers/redis/v3/redis.proto
envoy/extensions/load_balancing_policies/maglev/v3/maglev.proto
envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash.proto
envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.proto
envoy/extensions/transport_sockets/tls/v3/tls.proto
envoy/service/discovery/v3/discovery.proto
envoy/extensions/upstreams/http/v3/http_protocol_options.proto
google/protobuf/empty.proto
udpa/annotations/sensitive.proto
validate/validate.proto
typed_struct.proto
typed_struct_v3.proto
"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM
mkdir "$scratch/src"
: > "$scratch/src/lib.rs"
cat > "$scratch/Cargo.toml" <<MANIFEST
[package]
name = "scratch"
version = "0.0.0"
edition = "2024"
[dependencies]
envoy-types = "=$envoy_types"
protoc-bin-vendored-linux-x86_64 = "=$protoc_bin"
[workspace]
MANIFEST
cargo fetch --quiet --manifest-path "$scratch/Cargo.toml"

# Where cargo keeps the sources of a package, as `cargo metadata` tells it.
source_of() {
  cargo metadata --offline --format-version 1 --manifest-path "$scratch/Cargo.toml" |
    grep -o '"manifest_path":"[^"]*/'"$1-$2"'/Cargo.toml"' | head -n 1 | sed 's/^"manifest_path":"//; s/\/Cargo.toml"$//'
}
protos=$(source_of envoy-types "$envoy_types")/proto
compiler=$(source_of protoc-bin-vendored-linux-x86_64 "$protoc_bin")
cp "$compiler/bin/protoc" "$scratch/protoc"
chmod +x "$scratch/protoc"

# shellcheck disable=SC2086 # the roots are words on purpose
compile() {
  "$scratch/protoc" \
    -I "$protos/data-plane-api" -I "$protos/xds" -I "$protos/protoc-gen-validate" -I "$protos/googleapis" \
    -I "$protos/opentelemetry-proto" -I "$protos/client_model" -I "$protos/cel-spec/proto" -I "$compiler/include" \
    -I "$here/beside" --include_imports --descriptor_set_out="$scratch/$1.binpb" $2
  gzip --best --no-name < "$scratch/$1.binpb" > "$here/$1.binpb.gz"
  ls -l "$here/$1.binpb.gz"
}
compile envoy "$roots"
compile mesh "$(cd "$protos/data-plane-api" && find envoy -name '*.proto' | sort) $(cd "$here/beside" && ls ./*.proto | sed 's/^..//')"
