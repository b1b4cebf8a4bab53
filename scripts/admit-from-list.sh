#!/usr/bin/env bash
# Admits 500 institutions of a public list (the zip, or the CSV) through the API
# of a center that is started for it, each applied for, examined and approved by
# people of these roles, and says the figures.
#   scripts/admit-from-list.sh FILE
set -euo pipefail
[ $# = 1 ] && [ -f "$1" ] || { echo "usage: scripts/admit-from-list.sh FILE" >&2; exit 2; }
list="$(realpath "$1")"
cd "$(dirname "$0")/.."
export PATH="$HOME/.cargo/bin:$PATH"
IRYONET_PUBLIC_LIST="$list" exec cargo nextest run --locked -p iryonet-center \
  -E 'test(admitted_through_the_api)' --no-capture
