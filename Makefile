# make test   everything that CI checks: format, lints as errors, all tests (installs Debian packages if missing)
# make check  the quick loop: format, lints, unit tests
# make bench  the measurements, as ratios within one run, and 200 kills instead of 20
# make fuzz   the fuzz targets, a minute each (needs cargo-fuzz and a nightly compiler)
# make demo   both simulators, the gateway and the whole story

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := check

# What the tests run beside themselves: PostgreSQL's own server binaries.
TEST_PACKAGES  := postgresql
# What the benches compare with and load with.
BENCH_PACKAGES := nginx-light postgresql

.PHONY: test check bench fuzz demo fmt lint test-deps bench-deps docs

test: test-deps lint
	cargo test --locked

check: lint
	cargo test --locked --lib

lint:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

fmt:
	cargo fmt

demo:
	cargo run --locked --release -- demo

bench: bench-deps
	cargo bench --locked --bench side_by_side
	DIALBRIDGE_KILL_CYCLES=200 cargo test --locked --test it -- --exact \
	  kills::received::what_was_answered_is_there_once_after_any_kill

FUZZ_TARGETS := isales_callback voipbin_callback authorization tables
FUZZ_SECONDS := 60

fuzz:
	for target in $(FUZZ_TARGETS); do \
	  cargo +nightly fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048; \
	done

# Regenerates the pages in docs/ that are made from data; a test fails when they are stale.
docs:
	cargo run --locked --quiet -- mappings show --markdown > docs/mapping.md
	cargo run --locked --quiet -- capabilities --markdown > docs/capabilities.md

test-deps:
	@$(call install,$(TEST_PACKAGES))

bench-deps:
	@$(call install,$(BENCH_PACKAGES))

# Installs what is missing of the packages in $(1); fails loudly when it cannot.
define install
missing=""; \
for package in $(1); do \
  dpkg-query -W -f='$${Status}' "$$package" 2>/dev/null | grep -q 'install ok installed' || missing="$$missing $$package"; \
done; \
if [ -n "$$missing" ]; then \
  command -v apt-get >/dev/null || { echo "make: needs the Debian packages$$missing and finds no apt-get" >&2; exit 1; }; \
  sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo; \
  echo "make: installing$$missing"; \
  $$sudo apt-get update -q; \
  DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -q --no-install-recommends $$missing; \
fi
endef
