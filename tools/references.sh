#!/usr/bin/env bash
# The references below docs/ that the program writes itself.
#
#   tools/references.sh write BINARY   writes them
#   tools/references.sh check BINARY   fails, and shows how, when they are not what it would write
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mode=${1:?write or check}
binary=${2:?path of tidewire}

references="config.md:config source.md:source metrics.md:metrics
  schema/tidewire.schema.json:schema_config schema/source.schema.json:schema_source"

out=docs
if [ "$mode" = check ]; then
  out=$(mktemp -d)
  trap 'rm -rf "$out"' EXIT
fi
mkdir -p "$out/schema"
differs=0
for entry in $references; do
  file=${entry%%:*} verb=${entry#*:}
  "$binary" docs ${verb//_/ } >"$out/$file"
  if [ "$mode" = check ]; then diff -u "docs/$file" "$out/$file" || differs=1; fi
done
if [ $differs -ne 0 ]; then
  echo "docs/ is not what the program says; run: tools/references.sh write $binary" >&2
  exit 1
fi
