#!/usr/bin/env bash
# Every check of the project. `scripts/test.sh lint` stops before the tests.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$HOME/.cargo/bin:$PATH:/usr/sbin:/sbin"

step() { printf '\n== %s\n' "$*"; }

step "eBPF programs"
cargo xtask ebpf

step "formatting"
cargo fmt --all --check
cargo fmt --manifest-path crates/datapath/Cargo.toml --check
cargo fmt --manifest-path crates/translate/kernel/Cargo.toml --check

step "lints (clippy, warnings are errors)"
cargo clippy --locked --workspace --all-targets --quiet -- -D warnings

step "licences, bans, sources (cargo-deny)"
# The advisory database is fetched where there is a way to it; the rest needs no network.
cargo deny --locked --log-level error check licenses bans sources
if [ -n "${IRYONET_ADVISORIES:-}" ]; then
  cargo deny --locked --log-level error check advisories
fi

if [ "${1:-}" = lint ]; then exit 0; fi

# Network tests load BPF programs and make namespaces: root's business. They
# skip with a printed reason where they may not.
if [ "$(id -u)" != 0 ]; then
  if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ] && sudo -v; }; then
    host="$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')"
    export "CARGO_TARGET_${host}_RUNNER=sudo -E"
    echo "test programs run through sudo, so that the network tests run too"
  else
    echo "NOT ROOT and no sudo: the network tests SKIP themselves, each saying so."
    echo "Run \`make test\` in a root shell, or with sudo at hand, for all of them."
  fi
fi

step "tests"
cargo nextest run --locked --workspace

step "examples in the documentation"
cargo test --locked --workspace --doc --quiet
