# make demo    plays the tutorial for real (make demo KEEP=1 leaves everything running)
# make test    all tests
# make test-kube  registry, status, webhook and CRDs against the cluster that KUBECONFIG names (namespaces slotmesh-test-* are made
#              there and taken away, and so are the CRDs if they are not there)
# make bench   measures slotmesh beside its peers (make bench QUICK=1: the bars only; see bench/run.sh)
# make costs   counts the engine's instructions per request and compares (make costs UPDATE=1: keeps them)
# make check   formatting, lints, documentation, licences
.PHONY: demo test test-kube costs bench check

demo:
	@scripts/install.sh demo
	cargo run --locked --profile dist --package slotmesh -- demo $(if $(KEEP),--keep)
	$(if $(KEEP),,cargo run --locked --profile dist --package slotmesh -- demo --mesh)
	$(if $(KEEP),,cargo run --locked --profile dist --package slotmesh -- demo --mesh --typed)

test:
	@scripts/install.sh test
	@$(MAKE) --no-print-directory costs
	envoy=$$(scripts/envoy.sh) && SLOTMESH_ENVOY="$$envoy" cargo test --workspace --locked --no-fail-fast

test-kube:
	@if [ -z "$$KUBECONFIG" ]; then echo "test-kube was skipped: KUBECONFIG names no cluster"; \
	else SLOTMESH_TEST_KUBE=1 cargo test --locked --package control --test kube -- --nocapture --exact \
	  --test-threads 1 real::registry_of_the_cluster_that_is_named real_status::status_in_the_cluster_that_is_named \
	  real_webhook::crds_and_webhook_of_the_cluster_that_is_named && \
	  SLOTMESH_TEST_KUBE=1 cargo test --locked --package slotmesh --test commands_kube -- --nocapture --exact real_cluster; fi

costs:
	@scripts/install.sh test
	cargo run --quiet --locked --release --package engine --example costs -- $(if $(UPDATE),update,check) bench/instructions.txt

bench:
	@bench/run.sh

check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --locked --quiet
	@if ! command -v cargo-deny >/dev/null 2>&1; then \
	  echo "cargo-deny is not installed: licences and advisories were not checked"; \
	else \
	  cargo deny --locked --log-level error check bans licenses sources || exit 1; \
	  if cargo deny --locked --log-level off fetch db; then cargo deny --offline check advisories; \
	  else echo "the advisory database is out of reach: advisories were not checked"; fi; \
	fi
