# The test suites and their sum. Sourced by ./test after tools/setup.sh.
# Each suite adds to passed_total and failed_total, and leaves its log in artifacts/.

passed_total=0
failed_total=0
suite_lines=()

# Books one suite: name, passed, failed.
book() {
  passed_total=$((passed_total + $2))
  failed_total=$((failed_total + $3))
  suite_lines+=("$(printf '%-28s %6d passed %6d failed' "$1" "$2" "$3")")
  say "$1: $2 passed, $3 failed"
}

# Books a suite whose counts are "P F" in $2; an exit code without a counted failure is a failure.
book_counts() {
  local name=$1 passed=0 failed=0 code=$3
  read -r passed failed <<<"$2" || true
  passed=${passed:-0} failed=${failed:-0}
  if [ "$code" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
  if [ "$code" -eq 0 ] && [ "$passed" -eq 0 ]; then failed=1; fi  # Nothing ran: not a success.
  book "$name" "$passed" "$failed"
}

# C++: every GoogleTest case counts; a program that says nothing (or crashes) counts as one.
suite_ctest() {
  local preset=$1 log=artifacts/ctest-$1.log code
  say "C++ suites ($preset)"
  ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 \
    TSAN_OPTIONS=halt_on_error=1 \
    ctest --test-dir "build/$preset" --verbose 2>&1 | tee "$log" |
    grep --line-buffered -E '^ *[0-9]+/[0-9]+ Test +#' >&2
  code=${PIPESTATUS[0]}
  book_counts "C++ ($preset)" "$(awk '
    /^[0-9]+: \[  PASSED  \] [0-9]+ test/ { id = $1 + 0; passed[id] += $5 }
    /^[0-9]+: \[  FAILED  \] [0-9]+ test/ { id = $1 + 0; failed[id] += $5 }
    /^ *[0-9]+\/[0-9]+ Test +#[0-9]+:/ {
      match($0, /#[0-9]+/); id = substr($0, RSTART + 1, RLENGTH - 1) + 0; seen[id] = 1
      ok = ($0 ~ /   Passed /)
      if (!ok && !failed[id]) failed[id] = 1
      if (ok && !passed[id]) passed[id] = 1
    }
    END { for (id in seen) { p += passed[id]; f += failed[id] } print p + 0, f + 0 }' "$log")" "$code"
  [ "$code" -eq 0 ] || grep -E '^[0-9]+: \[  FAILED  \]|\*\*\*' "$log" | sort -u | head -40 >&2
}

# The WebSocket codec judged from outside: the echo server, and wsproto's opinion.
suite_conformance() {
  local log=artifacts/conformance.log code
  say "WebSocket conformance"
  /usr/bin/python3 tests/conformance/conformance.py "build/$1/echo_server" >"$log" 2>&1
  code=$?
  [ $code -eq 0 ] || tail -60 "$log" >&2
  book_counts "WebSocket conformance" "$(sed -n 's/^passed \([0-9]*\) failed \([0-9]*\)$/\1 \2/p' "$log")" $code
}

# TypeScript unit and property tests.
suite_vitest() {
  local log=artifacts/vitest.log json=artifacts/vitest.json code
  say "TypeScript suites"
  rm -f "$json"
  npx vitest run --reporter=default --reporter=json --outputFile.json="$json" >"$log" 2>&1
  code=$?
  [ $code -eq 0 ] || tail -60 "$log" >&2
  book_counts "TypeScript" "$(node -e '
    const r = JSON.parse(require("fs").readFileSync(process.argv[1]));
    console.log(r.numPassedTests, r.numFailedTests);' "$json" 2>/dev/null)" "$code"
}

# A command that is one test: suite_command NAME LOG COMMAND...
suite_command() {
  local name=$1 log=$2
  shift 2
  say "$name"
  if "$@" >"$log" 2>&1; then book "$name" 1 0; else tail -40 "$log" >&2; book "$name" 0 1; fi
}

# The command line of the binary: exit codes, refusals, start and stop.
suite_component() {
  local tap=artifacts/component.tap code
  say "command line"
  TIDEWIRE_BIN="${TIDEWIRE_BIN:-$PWD/build/release/tidewire}" \
    node --test --test-reporter=tap tests/component/*.test.mjs >"$tap" 2>&1
  code=$?
  [ $code -eq 0 ] || grep -E -A12 '^ *not ok' "$tap" | head -60 >&2
  book_counts "command line" "$(tap_counts "$tap")" "$code"
}

# "P F" of a TAP file, by its test lines: a run that is made to exit leaves the sums out.
tap_counts() {
  awk '
    /^ok [0-9]/ { p++ }
    /^not ok [0-9]/ { f++ }
    END { print p + 0, f + 0 }' "$1" 2>/dev/null
}

# The whole product: the binary, real HTTP and WebSocket clients, and Chromium.
suite_e2e() {
  local tap=artifacts/e2e.tap code
  say "end to end"
  rm -f "$tap"
  TIDEWIRE_BIN="${TIDEWIRE_BIN:-$PWD/build/release/tidewire}" E2E_TAP="$PWD/$tap" \
    npm run --silent e2e 2>&1 | tee artifacts/e2e.log >&2
  code=${PIPESTATUS[0]}
  book_counts "end to end" "$(tap_counts "$tap")" "$code"
}

# Prints the table and, last, the sum; its status is the script's.
summary() {
  printf '\n'
  printf '%s\n' "${suite_lines[@]}"
  printf '%d passed, %d failed\n' "$passed_total" "$failed_total"
  [ "$failed_total" -eq 0 ]
}
