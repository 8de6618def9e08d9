# make run    builds Quipu and starts a node to develop against, with no other service
# make test   builds everything and runs every test
#
# Both install what they need from Debian's packages first, when it is not there.

CARGO ?= cargo
# The one profile: RocksDB takes long to compile, and is compiled once.
PROFILE := --release
PREFIX ?= /usr/local
TARGET := $(or $(CARGO_TARGET_DIR),target)
# What RocksDB, OpenSSL and the tests need: a C++ compiler, libclang for its bindings, Postgres with PgBouncer and NATS, of
# which the tests start servers of their own, the tools with which they list files, mount and send signals, promtool of
# Prometheus, which tries the alerts, a browser without a window, which shows the pages, and what units and packages are
# checked with. curl is for the README.
PACKAGES := g++ make libclang-dev clang pkg-config libssl-dev git util-linux mount procps curl postgresql pgbouncer \
	nats-server prometheus chromium systemd dpkg-dev mmdebstrap
# A stable compiler that is told to take what only a nightly one does, with the versions of everything that are shipped.
FUZZ := RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --fuzz-dir fuzz
FUZZ_TARGETS ?= item tags bundle blob shown wallet reading event stream parameters graphql settings
FUZZ_SECONDS ?= 60
NEXTEST := $(shell $(CARGO) nextest --version 2>/dev/null)

# A data folder with a long history, which is made once.
FILLED ?= $(abspath $(TARGET))/filled

.PHONY: run test build install deb lint first-build setup root openapi fuzz clients pictures budgets

run: build
	$(TARGET)/release/quipu dev

test: build root
ifdef NEXTEST
	$(CARGO) nextest run $(PROFILE) --workspace
else
	$(CARGO) test $(PROFILE) --workspace
endif

build: first-build setup
	$(CARGO) build $(PROFILE) --locked --bin quipu

# Below $(DESTDIR)$(PREFIX); settings in $(DESTDIR)/etc/quipu stay as they are.
install: build
	DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" sh packaging/install "$(TARGET)/release/quipu"

# The Debian package, in $(TARGET)/debian.
deb: build
	sh packaging/deb "$(TARGET)/release/quipu" "$(TARGET)/debian"

lint: first-build setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(PROFILE) --locked --workspace --all-targets -- -D warnings

# Writes the checked-in descriptions of the API anew.
openapi: first-build setup
	QUIPU_WRITE_OPENAPI=1 $(CARGO) test $(PROFILE) --package api --test http description
	QUIPU_WRITE_OPENAPI=1 $(CARGO) test $(PROFILE) --package quipu-router --test description

# Pictures of each page, light and dark, wide and on a phone, in $(TARGET)/pictures, to be looked at.
pictures: build
	mkdir -p "$(abspath $(TARGET))/pictures"
	QUIPU_PICTURES="$(abspath $(TARGET))/pictures" $(CARGO) test $(PROFILE) --locked --package quipu-tests --test browser nobody_is_kept

# Prints what the pages cost with a million events behind them, in requests, bytes and time until they are painted, and what
# fifty who look at them cost those who write. FILLED names the folder of the events; the node writes to it.
budgets: build
	test -e "$(FILLED)/wallet.json" || $(CARGO) run $(PROFILE) --locked --package quipu-tests --example fill -- "$(FILLED)" 1000000 1000
	QUIPU_FILLED="$(FILLED)" $(CARGO) test $(PROFILE) --locked --package quipu-tests --test browser pages_keep -- --nocapture
	$(CARGO) run $(PROFILE) --locked --package quipu-tests --example viewers -- "$(FILLED)"

# Fuzzes each parser, from its seeds and what was found before, for FUZZ_SECONDS; needs cargo-fuzz.
fuzz:
	cp Cargo.lock fuzz/Cargo.lock
	for target in $(FUZZ_TARGETS); do \
		mkdir -p fuzz/corpus/$$target && \
		$(FUZZ) $$target fuzz/corpus/$$target fuzz/seeds/$$target -- -timeout=20 -max_total_time=$(FUZZ_SECONDS) || exit 1; \
	done

# Tries real clients against a node, where there is npm to fetch them. The tests replay what these clients send.
clients: build
	@if command -v npm > /dev/null; then \
		cd tests/clients && npm ci --ignore-scripts --no-audit --no-fund && \
		node aoconnect.mjs $(abspath $(TARGET))/release/quipu; \
	else \
		echo "npm is not there: no client was tried"; \
	fi

# Says what the silence of the first build is about, before it begins.
first-build:
	@sh .ci/first_build "$(TARGET)"

# A small Debian, in which tests install the package. It is made once, and needs the network for that.
root: setup
	@sh .ci/root "$(TARGET)/packaging" >/dev/null

setup:
	@sh .ci/packages $(PACKAGES)
