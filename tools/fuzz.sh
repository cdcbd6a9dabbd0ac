# Builds the fuzz targets and runs each from its seeds. Sourced by ./test after tools/suites.sh.

packages_fuzz="clang-19 llvm-19 libclang-rt-19-dev python3"
fuzz_seconds="${FUZZ_SECONDS:-30}"

# Runs one target: fuzz_one TARGET. What it finds stays in artifacts/fuzz/<target>/.
fuzz_one() {
  local target=$1 work=artifacts/fuzz/$1
  mkdir -p "$work/corpus"
  ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
    "build/fuzz/$(cd build/fuzz && find . -type f -name "$target" -perm -u+x | head -1)" \
    -max_total_time="$fuzz_seconds" -timeout=10 -rss_limit_mb=2048 -max_len=8192 \
    -artifact_prefix="$work/" "$work/corpus" "artifacts/fuzz/seeds/$target" >"$work/log" 2>&1
}

# Every target must run through, and the one that is broken on purpose must be caught.
suite_fuzz() {
  local passed=0 failed=0 target targets
  install_packages $packages_fuzz
  cmake --preset fuzz -DTIDEWIRE_TESTS=OFF >artifacts/configure-fuzz.log 2>&1 ||
    { tail -40 artifacts/configure-fuzz.log >&2; die "cmake --preset fuzz failed"; }
  build fuzz fuzzers
  rm -rf artifacts/fuzz/seeds
  /usr/bin/python3 tests/fuzz/make_seeds.py artifacts/fuzz/seeds
  targets=$(cd build/fuzz && find . -type f -name '*_fuzz' -perm -u+x -printf '%f\n' | sort)
  for target in $targets; do
    say "fuzzing $target for ${fuzz_seconds} s"
    mkdir -p "artifacts/fuzz/seeds/$target"
    if fuzz_one "$target"; then ended=clean; else ended=caught; fi
    if [ "$target" = canary_fuzz ]; then wanted=caught; else wanted=clean; fi
    if [ $ended = $wanted ]; then passed=$((passed + 1)); else
      failed=$((failed + 1))
      say "$target: $ended, not $wanted; see artifacts/fuzz/$target/"
      tail -30 "artifacts/fuzz/$target/log" >&2
    fi
  done
  book "fuzz targets (${fuzz_seconds} s each)" $passed $failed
}
