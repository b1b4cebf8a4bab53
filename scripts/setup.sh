#!/usr/bin/env bash
# Installs what is missing and says what it does. Fast when nothing is.
#   scripts/setup.sh pilot   what `make pilot` needs
#   scripts/setup.sh bench   also what `make bench` needs: a PostgreSQL server
#   scripts/setup.sh all     also what `make test` needs
set -euo pipefail
scope="${1:-all}"
export PATH="$HOME/.cargo/bin:$PATH:/usr/sbin:/sbin"

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$@" >&2; exit 1; }

LLVM=22
BPF_LINKER=0.13.0

command -v cargo >/dev/null || fail \
  "cargo was not found. Install Rust's stable toolchain with rustup first:" \
  "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"

# --- Debian packages ---------------------------------------------------------
# program or file that shows that it is there : package
wants=(
  "gcc:gcc" "g++:g++" "make:make" "/usr/include/stdio.h:libc6-dev"
  "ip:iproute2" "nsenter:util-linux" "mount:mount" "sysctl:procps"
  "nginx:nginx-light" "curl:curl" "openssl:openssl" "iperf3:iperf3"
)
if [ "$scope" = all ]; then
  wants+=("node:nodejs" "npm:npm" "knotd:knot" "chromium:chromium" "chromedriver:chromium-driver" "certutil:libnss3-tools" "sslscan:sslscan" "testssl:testssl.sh" "gnutls-serv:gnutls-bin" "jq:jq" "softhsm2-util:softhsm2")
fi
missing=()
for want in "${wants[@]}"; do
  seen="${want%%:*}"
  case "$seen" in
    /*) [ -e "$seen" ] || missing+=("${want##*:}") ;;
    *) command -v "$seen" >/dev/null || missing+=("${want##*:}") ;;
  esac
done

# A PostgreSQL server of version 15 or later: Debian keeps its programs out of
# the path. The tests and the figures start their own, in a folder of their own.
has_postgres() {
  command -v postgres >/dev/null && return
  local programs
  for programs in /usr/lib/postgresql/*/bin; do
    local version="${programs#/usr/lib/postgresql/}"
    [ -x "$programs/postgres" ] && [ "${version%/bin}" -ge 15 ] && return
  done
  return 1
}
if [ "$scope" != pilot ] && ! has_postgres; then missing+=(postgresql); fi

# Python with what makes a virtual environment (Debian has that in a package of
# its own), for schemathesis.
has_venv() { command -v python3 >/dev/null && python3 -c 'import ensurepip, venv' 2>/dev/null; }
if [ "$scope" = all ] && ! has_venv; then missing+=(python3 python3-venv); fi

# The compiler for eBPF: Debian's (first choice), or a rustup nightly with rust-src.
has_debian_bpf() {
  [ -x /usr/bin/rustc ] &&
    [ -d "$(/usr/bin/rustc --print target-libdir --target bpfel-unknown-none 2>/dev/null)" ]
}
has_nightly_bpf() {
  command -v rustup >/dev/null &&
    [ -d "$(rustup run nightly rustc --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library/core" ]
}
has_linker() { command -v bpf-linker >/dev/null; }
bpf_compiler=
if has_debian_bpf; then bpf_compiler=debian
elif has_nightly_bpf; then bpf_compiler=nightly; fi
if [ -z "$bpf_compiler" ]; then missing+=(rustc-web libstd-rust-web-dev-bpf); fi
if ! has_linker && [ ! -x "/usr/lib/llvm-$LLVM/bin/llvm-config" ]; then
  missing+=("llvm-$LLVM-dev")
fi

root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else fail "root is wanted for: $*" "and there is no sudo. Run that as root, then run this again."
  fi
}

apt_has() { apt-cache show "$1" >/dev/null 2>&1; }

if [ "${#missing[@]}" -gt 0 ]; then
  command -v apt-get >/dev/null || fail \
    "these Debian packages are missing and there is no apt-get here: ${missing[*]}" \
    "Install what they hold by the means of your system."
  say "Debian packages missing: ${missing[*]}"
  say "refreshing apt's lists (apt-get update)"
  root apt-get update -qq
  install=() unknown=()
  for package in "${missing[@]}"; do
    if apt_has "$package"; then install+=("$package"); else unknown+=("$package"); fi
  done
  if [ "${#install[@]}" -gt 0 ]; then
    had_nginx=; command -v nginx >/dev/null && had_nginx=yes
    had_postgres=; has_postgres && had_postgres=yes
    had_knot=; command -v knotd >/dev/null && had_knot=yes
    say "installing: ${install[*]}"
    root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${install[@]}" >/dev/null
    # The pilot starts servers of its own, in its own namespaces. The one that
    # Debian starts on port 80 of this machine was not asked for.
    if [ -z "$had_nginx" ] && command -v nginx >/dev/null && [ -d /run/systemd/system ]; then
      say "stopping and disabling the nginx service that the package started"
      root systemctl disable --now nginx >/dev/null 2>&1 || true
    fi
    if [ -z "$had_knot" ] && command -v knotd >/dev/null; then
      say "stopping and disabling the knot service that the package started"
      root service knot stop >/dev/null 2>&1 || true
      if [ -d /run/systemd/system ]; then
        root systemctl disable knot >/dev/null 2>&1 || true
      fi
    fi
    if [ -z "$had_postgres" ] && has_postgres; then
      say "stopping and disabling the postgresql service that the package started"
      root service postgresql stop >/dev/null 2>&1 || true
      if [ -d /run/systemd/system ]; then
        root systemctl disable postgresql >/dev/null 2>&1 || true
      fi
    fi
  fi
  if [ "${#unknown[@]}" -gt 0 ]; then
    say "apt does not know: ${unknown[*]}"
    for package in "${unknown[@]}"; do
      case "$package" in
        rustc-web | libstd-rust-web-dev-bpf | llvm-*) ;;
        *) fail "package $package is needed and unknown to apt; check /etc/apt/sources.list" ;;
      esac
    done
  fi
fi

# --- a compiler for eBPF -----------------------------------------------------
if has_debian_bpf; then bpf_compiler=debian
elif has_nightly_bpf; then bpf_compiler=nightly
elif command -v rustup >/dev/null; then
  say "Debian's rustc-web is not to be had here; installing a rustup nightly with rust-src"
  rustup toolchain install nightly --profile minimal --component rust-src
  bpf_compiler=nightly
else
  fail "no compiler for eBPF: neither Debian's rustc-web + libstd-rust-web-dev-bpf" \
    "(Debian 12 with bookworm-security) nor rustup for a nightly with rust-src."
fi

# --- bpf-linker --------------------------------------------------------------
if ! has_linker; then
  if [ -x "/usr/lib/llvm-$LLVM/bin/llvm-config" ]; then
    say "building bpf-linker $BPF_LINKER with LLVM $LLVM (about 75 s)"
    env LLVM_PREFIX="/usr/lib/llvm-$LLVM" cargo install --quiet --locked bpf-linker \
      --version "$BPF_LINKER" --no-default-features --features "llvm-$LLVM"
  elif [ "$bpf_compiler" = nightly ]; then
    say "building bpf-linker $BPF_LINKER with the toolchain's own LLVM"
    cargo +nightly install --quiet --locked bpf-linker --version "$BPF_LINKER"
  else
    fail "llvm-$LLVM-dev is missing and apt does not know it; bpf-linker cannot be built." \
      "On Debian 12: the package comes with bookworm-updates or bookworm-security."
  fi
fi

# --- cargo's own tools, for the tests ------------------------------------------
if [ "$scope" = all ]; then
  for tool in cargo-nextest cargo-deny; do
    if ! command -v "$tool" >/dev/null; then
      say "building $tool (some minutes)"
      cargo install --quiet --locked "$tool"
    fi
  done
fi

# --- schemathesis, which judges the API by its description -----------------------
# In a folder of its own, under its version; nothing else of this machine changes.
if [ "$scope" = all ]; then
  pins="$(dirname "$0")/schemathesis.txt"
  version="$(sed -n 's/^schemathesis==//p' "$pins")"
  tools="${XDG_DATA_HOME:-$HOME/.local/share}/iryonet-tools/schemathesis-$version"
  if [ ! -x "$tools/bin/schemathesis" ]; then
    say "installing schemathesis $version into $tools"
    rm -rf "$tools"
    python3 -m venv "$tools"
    if ! "$tools/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$pins"; then
      rm -rf "$tools"
      fail "schemathesis could not be installed; is there a way to a Python package index (pip)?"
    fi
  fi
fi

# --- an OpenID provider, which judges how people come in by their organisation ----
# Certified by the OpenID Foundation; in a folder of its own, under its version.
if [ "$scope" = all ]; then
  pins="$(dirname "$0")/oidc-provider"
  version="$(sed -n 's/.*"oidc-provider": "\([0-9.]*\)".*/\1/p' "$pins/package.json")"
  tools="${XDG_DATA_HOME:-$HOME/.local/share}/iryonet-tools/oidc-provider-$version"
  if [ ! -d "$tools/node_modules" ]; then
    say "installing oidc-provider $version into $tools"
    rm -rf "$tools"
    mkdir -p "$tools"
    cp "$pins/package.json" "$pins/package-lock.json" "$tools/"
    if ! (cd "$tools" && npm ci --silent --no-audit --no-fund --ignore-scripts); then
      rm -rf "$tools"
      fail "oidc-provider could not be installed; is there a way to an npm registry?"
    fi
  fi
fi
