# Builds, tests and installs Steadfast. `make help` lists what there is.
#
# DESTDIR  where a package is staged; empty installs on this machine
# PREFIX   /usr for packages; with /usr/local systemd finds the units, too

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := build
MAKEFLAGS += --no-builtin-rules

DESTDIR ?=
PREFIX ?= /usr
CARGO ?= cargo
NEXTEST_VERSION := 0.9.143
DENY_VERSION := 0.20.2
AUDITABLE_VERSION := 0.7.7

export PATH := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin:$(PATH)

# What is built for the tests; the lints compile while these wait for their machines.
BUILT := $(or $(CARGO_TARGET_DIR),target)/tests
BINARY := $(or $(CARGO_TARGET_DIR),target)/release/steadfast
DEBUG := $(or $(CARGO_TARGET_DIR),target)/debug
BIN := $(DESTDIR)$(PREFIX)/bin
LIB := $(DESTDIR)$(PREFIX)/lib
SHARE := $(DESTDIR)$(PREFIX)/share
ETC := $(DESTDIR)/etc/steadfast
# The hook of apt takes effect where apt reads it, as those of needrestart and etckeeper do; it is the one file below /etc
# that `install` writes and `uninstall` removes: a hook of a program that is gone has no place there. An apt that is not
# there gets none, and a hook that the admin changed stays as it is.
APT := $(DESTDIR)/etc/apt/apt.conf.d
# All that `install` puts below PREFIX, and `uninstall` removes. What is below /etc and /var belongs to the admin.
INSTALLED := \
	$(BIN)/steadfast \
	$(LIB)/systemd/system/steadfast.service \
	$(LIB)/systemd/system/steadfast.socket \
	$(LIB)/systemd/system/steadfast-prober.service \
	$(LIB)/systemd/system/steadfast-prober.socket \
	$(LIB)/systemd/system/steadfast-boot-check.service \
	$(LIB)/systemd/user/steadfast.service \
	$(LIB)/systemd/user/steadfast.socket \
	$(LIB)/sysusers.d/steadfast.conf \
	$(LIB)/tmpfiles.d/steadfast.conf \
	$(LIB)/systemd/catalog/steadfast.catalog \
	$(SHARE)/bash-completion/completions/steadfast \
	$(SHARE)/zsh/vendor-completions/_steadfast \
	$(SHARE)/fish/vendor_completions.d/steadfast.fish \
	$(SHARE)/steadfast/unit.schema.json \
	$(SHARE)/steadfast/settings.schema.json \
	$(SHARE)/steadfast/vendor-units.txt \
	$(patsubst config/recipes/%,$(SHARE)/steadfast/recipes/%,$(wildcard config/recipes/*)) \
	$(patsubst config/prometheus/%,$(SHARE)/steadfast/prometheus/%,$(wildcard config/prometheus/*)) \
	$(patsubst config/hooks/%,$(SHARE)/steadfast/hooks/%,$(filter-out config/hooks/package-hook,$(wildcard config/hooks/*))) \
	$(LIB)/steadfast/package-hook \
	$(APT)/80steadfast \
	$(SHARE)/doc/steadfast/README.md \
	$(SHARE)/doc/steadfast/findings.md \
	$(SHARE)/doc/steadfast/steadfast.toml \
	$(SHARE)/man/man1/steadfast.1.gz $(SHARE)/man/man1/steadfast-*.1.gz \
	$(SHARE)/man/man5/steadfast.unit.5.gz $(SHARE)/man/man5/steadfast.toml.5.gz \
	$(SHARE)/man/man7/steadfast-findings.7.gz

# This very machine is installed on, and systemd runs it.
LIVE = [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]

.PHONY: help
help: ## lists the targets
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)$$/\1|\2/p' $(MAKEFILE_LIST) | \
	  while IFS='|' read -r target does; do printf '  make %-15s  %s\n' "$$target" "$$does"; done

# What `steadfast version` tells of a build; nothing, where there is no history.
BUILD_FACTS = STEADFAST_COMMIT="$$(git describe --always --abbrev=12 --dirty --exclude='*' 2>/dev/null)" STEADFAST_RUSTC="$$(rustc --version 2>/dev/null)"

.PHONY: build
build: rust ## builds the program, target/release/steadfast
	$(BUILD_FACTS) $(CARGO) build --release --locked

.PHONY: $(BINARY)
$(BINARY): rust # cargo knows best what is up to date
	$(BUILD_FACTS) $(CARGO) build --release --locked

# Debian's own Rust is too old up to Debian 12.
.PHONY: rust
rust:
	@wanted=$$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml); \
	if ! command -v $(firstword $(CARGO)) >/dev/null; then \
	  echo "cannot build: there is no cargo; install Rust $$wanted or newer (https://rustup.rs), or a package (docs/packages.md)" >&2; exit 1; \
	elif ! [ "$(CARGO)" = true ] && ! printf '%s\n' "$$wanted" "$$(rustc --version | cut -d' ' -f2)" | sort -CV; then \
	  echo "cannot build: Rust $$wanted or newer is needed, this is $$(rustc --version | cut -d' ' -f2) (https://rustup.rs)" >&2; exit 1; \
	fi

# Where it was built is no part of the program.
RELEASE_FLAGS = --remap-path-prefix=$(CURDIR)=steadfast --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=cargo

.PHONY: release
release: tools-fast ## builds the program as it is handed out: the same bytes from the same commit, its crates listed inside (cargo audit bin)
	@cargo auditable --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-auditable@$(AUDITABLE_VERSION)
	$(BUILD_FACTS) RUSTFLAGS="$(RELEASE_FLAGS)" $(CARGO) auditable build --release --locked
	sha256sum $(BINARY)

.PHONY: reproducible
reproducible: ## makes the release twice, in two folders, and compares the bytes; 10 minutes
	packaging/reproducible.sh

.PHONY: check
check: tools-fast ## the fast tier: format, lints, and every test that needs no machine
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --locked -- -D warnings
	$(CARGO) nextest run --locked -E 'not (binary(machine) or binary(browser))'

.PHONY: demo
demo: rust cc ## replays an outage on a throw-away systemd; as root; KEEP=1 leaves a shell in it
	tests/machine/rig/root.sh >/dev/null
	@echo 'building the program and the demo, once ...'
	$(CARGO) build --locked --quiet --package steadfast --bin steadfast --example demo
	STEADFAST_RIG_PROGRAM=$(abspath $(DEBUG)/steadfast) $(DEBUG)/examples/demo

.PHONY: sweep
sweep: tools-fast ## adopts the servers of Debian 12 and 13 on throw-away systemds and prints what is not right; SWEEP=trixie/mail QUIET=600; as root
	$(CARGO) build --locked --quiet
	STEADFAST_RIG_PROGRAM=$(abspath $(or $(CARGO_TARGET_DIR),target)/debug/steadfast) $(CARGO) run --locked --quiet --example sweep

.PHONY: bench
bench: rust cc ## what Steadfast costs and how fast it is, beside floors and peers, on throw-away systemds; UNITS=100,1000 IDLE=180; as root
	tests/machine/rig/root.sh >/dev/null
	@echo 'building the release and the bench ...'
	$(CARGO) build --locked --quiet --release --package steadfast --bin steadfast
	$(CARGO) build --locked --quiet --package steadfast --example bench
	STEADFAST_RIG_PROGRAM=$(abspath $(or $(CARGO_TARGET_DIR),target)/release/steadfast) \
	BENCH_DIR=$(abspath $(or $(CARGO_TARGET_DIR),target)) $(DEBUG)/examples/bench

BROWSER := $(or $(CARGO_TARGET_DIR),target)/browser
STAGE := $(or $(CARGO_TARGET_DIR),target)/debug/examples/stage
# The pictures show this unit of this story.
STORY := tests/pictures/zoo.txt

.PHONY: browser
browser: tools-fast ## the status page in a real Chromium, at every width and in both schemes; pictures of all in target/browser; as root
	tests/browser/tools.sh $(BROWSER)
	$(CARGO) build --locked --quiet --example stage
	node tests/browser/page.mjs $(STAGE) $(STORY) $(abspath $(BROWSER)) pictures

.PHONY: pictures
pictures: tools-fast ## makes the pictures of README.md, docs/pictures: the terminal as SVG, the page as PNG; as root
	tests/browser/tools.sh $(BROWSER)
	$(CARGO) build --locked --quiet --example stage
	mkdir -p docs/pictures
	$(STAGE) svg $(STORY) shop.service >docs/pictures/top.svg
	node tests/browser/picture.mjs $(STAGE) $(STORY) $(abspath $(BROWSER)) docs/pictures/page.png

UNITS ?= 500
SEED ?= $(shell date +%s)

.PHONY: fuzz-directives
fuzz-directives: tools-fast ## manages UNITS=500 units composed at random (SEED=…) on throw-away systemds and prints each verdict that differs; as root
	tests/machine/rig/root.sh trixie >/dev/null
	tests/machine/rig/root.sh bookworm >/dev/null
	UNITS=$(UNITS) SEED=$(SEED) NEXTEST_PROFILE=long $(CARGO) nextest run --locked --no-capture --test machine directives_composed_at_random

MINUTES ?= 10
TARGETS ?=

.PHONY: fuzz
fuzz: tools-fast ## hostile input for every parser, MINUTES=10 in all (TARGETS="monit mysql", THREADS=2, SEED=…); fuzz/README.md
	$(CARGO) test --locked --quiet --profile fuzz --test fuzz -- run $(MINUTES) $(TARGETS)

KILLS ?= 1000
PROBES ?= 700

.PHONY: kill-prober
kill-prober: tools-fast ## kills the prober KILLS=1000 times at random during PROBES=700 probes and prints how late the loop was; as root
	tests/machine/rig/root.sh >/dev/null
	KILLS=$(KILLS) PROBES=$(PROBES) NEXTEST_PROFILE=long $(CARGO) nextest run --locked --no-capture --test machine the_prober_killed_fifty

CROWD ?= 1500

.PHONY: readers
readers: tools-fast ## CROWD=1500 units, 48 busy and 48 slow readers at `listen`: how soon a killed unit runs anew, beside the same in peace; as root
	tests/machine/rig/root.sh >/dev/null
	CROWD=$(CROWD) KILLS=20 NEXTEST_PROFILE=long $(CARGO) nextest run --locked --no-capture --test machine busy_and_slow_readers

.PHONY: figures
figures: ## prints how src is built: methods, parameters, circles of files, what the state holds; tests/tidy.rs holds them
	@$(CARGO) run --locked --quiet --example figures

HOURS ?= 1

.PHONY: simulate
simulate: tools-fast ## plays seed after seed of a made-up host for HOURS=1; stops at the first that breaks an invariant, shrunk
	tests/simulation/simulate.sh "$(CARGO)" "$(HOURS)"

.PHONY: test
test: tools ## every tier, machine tests included; installs what is missing; as root
	$(CARGO) fmt --check
	@mkdir -p $(BUILT)
	@$(MAKE) --no-print-directory roots & roots=$$!; \
	  $(CARGO) nextest list --locked --list-type binaries-only --message-format json >$(BUILT)/binaries.json && wait $$roots
	@$(CARGO) metadata --locked --format-version 1 >$(BUILT)/metadata.json
	@nice -n 19 $(MAKE) --no-print-directory lint >$(BUILT)/lint.log 2>&1 & lint=$$!; failed=0; \
	  $(CARGO) nextest run --binaries-metadata $(BUILT)/binaries.json --cargo-metadata $(BUILT)/metadata.json || failed=$$?; \
	  wait $$lint || { failed=$$?; cat $(BUILT)/lint.log; }; \
	  exit $$failed

.PHONY: lint
lint: # format, lints, documentation, licences
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --no-deps --locked
	$(CARGO) fetch --locked --quiet
	$(CARGO) deny --offline --locked check bans licenses sources

.PHONY: roots
roots: # of the machines of tests, and the browser; downloaded and unpacked while the compiler works
	tests/machine/rig/root.sh >/dev/null
	tests/browser/tools.sh $(BROWSER)
	tests/machine/rig/root.sh servers >/dev/null
	tests/machine/rig/root.sh bookworm >/dev/null
	tests/machine/rig/root.sh trixie >/dev/null

.PHONY: cc
cc: # what every build needs
	@command -v cc >/dev/null || { echo 'installing a C compiler' && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev; }

.PHONY: tools-fast
tools-fast: cc # what `check` needs
	@cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
	@cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
	@cargo nextest --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-nextest@$(NEXTEST_VERSION)

.PHONY: tools
tools: tools-fast # what `test` needs besides; the rig fetches its own
	@cargo deny --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-deny@$(DENY_VERSION)
	@$(CARGO) fetch --locked

.PHONY: install
install: $(BINARY) install-files ## installs below DESTDIR and PREFIX, and says how to start it
	@if [ -d $(APT) ] && [ ! -e $(APT)/80steadfast ]; then \
	  echo 'install $(APT)/80steadfast'; \
	  install -m 0644 $(SHARE)/steadfast/hooks/80steadfast $(APT)/80steadfast; \
	fi
	@if $(LIVE); then \
	  systemd-sysusers steadfast.conf; \
	  systemd-tmpfiles --create steadfast.conf; \
	  systemctl daemon-reload; \
	  journalctl --update-catalog; \
	  if systemctl -q is-active steadfast.service; then \
	    echo 'installed; the old version still runs until: systemctl restart steadfast.service'; \
	  else \
	    echo 'installed; now and at every boot: systemctl enable --now steadfast.socket steadfast.service'; \
	  fi; \
	fi

.PHONY: install-files
install-files: # the files alone, of a program that was built; what packages are made of
	install -D -m 0755 -t $(BIN) $(BINARY)
	install -D -m 0644 -t $(LIB)/systemd/system units/steadfast{,-prober}.{service,socket} units/steadfast-boot-check.service
	install -D -m 0644 -t $(LIB)/systemd/user units/user/steadfast.service units/user/steadfast.socket
	sed -i 's,/usr/bin/steadfast,$(PREFIX)/bin/steadfast,' $(LIB)/systemd/{system,user}/steadfast.service $(LIB)/systemd/system/steadfast-{prober,boot-check}.service
	install -D -m 0644 units/steadfast.sysusers $(LIB)/sysusers.d/steadfast.conf
	install -D -m 0644 -t $(LIB)/systemd/catalog units/steadfast.catalog
	install -D -m 0644 units/steadfast.tmpfiles $(LIB)/tmpfiles.d/steadfast.conf
	install -D -m 0644 -t $(SHARE)/doc/steadfast README.md docs/findings.md config/steadfast.toml
	install -D -m 0644 -t $(SHARE)/steadfast/recipes config/recipes/*.toml
	install -D -m 0644 -t $(SHARE)/steadfast/prometheus config/prometheus/*.yml
	install -D -m 0644 -t $(SHARE)/steadfast config/vendor-units.txt
	install -D -m 0755 -t $(LIB)/steadfast config/hooks/package-hook
	install -D -m 0644 -t $(SHARE)/steadfast/hooks config/hooks/{80steadfast,*.action,*.actions}
	sed -i 's,/usr/bin/steadfast,$(PREFIX)/bin/steadfast,' $(LIB)/steadfast/package-hook
	sed -i 's,/usr/lib/steadfast,$(PREFIX)/lib/steadfast,' $(SHARE)/steadfast/hooks/*
	install -d $(SHARE)/{bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d,steadfast}
	$(BINARY) completions bash >$(SHARE)/bash-completion/completions/steadfast
	$(BINARY) completions zsh >$(SHARE)/zsh/vendor-completions/_steadfast
	$(BINARY) completions fish >$(SHARE)/fish/vendor_completions.d/steadfast.fish
	$(BINARY) schema >$(SHARE)/steadfast/unit.schema.json
	$(BINARY) schema --settings >$(SHARE)/steadfast/settings.schema.json
	$(BINARY) man $(SHARE)/man
	gzip -9nf $(SHARE)/man/man1/steadfast{,-*}.1 $(SHARE)/man/man5/steadfast.*.5 $(SHARE)/man/man7/steadfast-*.7
	install -d -m 0755 $(ETC) $(ETC)/units.d
	[ -e $(ETC)/steadfast.toml ] || install -m 0644 config/steadfast.toml $(ETC)/steadfast.toml

.PHONY: deb
deb: deb-tools $(BINARY) ## makes target/deb/steadfast_VERSION_ARCH.deb, for Debian 12, 13 and Ubuntu 22.04 or newer
	packaging/deb/build.sh $(BINARY) $(dir $(BINARY))../deb

.PHONY: deb-tools
deb-tools: cc # what `deb` needs besides
	@command -v objdump >/dev/null && command -v dpkg-deb >/dev/null || { echo 'installing binutils and dpkg' && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends binutils dpkg; }

.PHONY: check-deb
check-deb: tools-fast deb-tools ## installs, upgrades, removes and purges the package on throw-away Debian 12 and 13; lintian; the same bytes twice; as root
	packaging/deb/check.sh $(BINARY)

.PHONY: check-completions
check-completions: cc $(BINARY) ## asks the real bash, zsh and fish what TAB offers
	@command -v zsh >/dev/null && command -v fish >/dev/null || { echo 'installing zsh and fish' && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends zsh fish; }
	tests/completions.sh $(BINARY)

.PHONY: rpm
rpm: rpm-tools $(BINARY) ## makes target/rpm/steadfast-VERSION-1.ARCH.rpm from the same files, for distributions with glibc 2.34 or newer
	packaging/rpm/build.sh $(BINARY) $(dir $(BINARY))../rpm

.PHONY: rpm-tools
rpm-tools: cc # what `rpm` needs besides
	@command -v rpmbuild >/dev/null && command -v cpio >/dev/null || { echo 'installing rpm and cpio' && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends rpm cpio; }

.PHONY: check-rpm
check-rpm: rpm-tools $(BINARY) ## looks at the rpm: its files, scripts and dependencies; the same bytes twice
	packaging/rpm/check.sh $(BINARY)

.PHONY: uninstall
uninstall: ## removes what `install` put there; keeps /etc/steadfast and /var/lib/steadfast
	@if $(LIVE); then systemctl disable --now --quiet steadfast.service steadfast.socket steadfast-boot-check.service || true; systemctl stop --quiet steadfast-prober.socket steadfast-prober.service || true; fi
	@# The sample of the settings goes unless somebody wrote into it.
	if cmp -s $(SHARE)/doc/steadfast/steadfast.toml $(ETC)/steadfast.toml; then rm -f $(ETC)/steadfast.toml; fi
	rm -f $(INSTALLED)
	rmdir --ignore-fail-on-non-empty $(SHARE)/steadfast/{recipes,prometheus,hooks} $(SHARE)/steadfast $(LIB)/steadfast $(SHARE)/doc/steadfast 2>/dev/null || true
	@if $(LIVE); then systemctl daemon-reload; journalctl --update-catalog; fi
	rmdir --ignore-fail-on-non-empty $(ETC)/units.d $(ETC) 2>/dev/null || true
	@echo 'removed; kept: what you wrote in /etc/steadfast, and /var/lib/steadfast'

.PHONY: clean
clean: ## removes everything that was built
	$(CARGO) clean
