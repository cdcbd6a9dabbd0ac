# Shared by ./run and ./test: what this machine needs, installed only where it is missing.
# Sourced, not executed; expects to be in the repository's root. Bash, Debian 12.

packages_build="g++-12 cmake ninja-build ccache mold pkg-config libboost1.81-dev libssl-dev
  libsqlite3-dev zlib1g-dev libfmt-dev libsimdjson-dev libyaml-cpp-dev libre2-dev libpg-query-dev
  libcli11-dev libhowardhinnant-date-dev libcurl4-openssl-dev libpq-dev"
packages_test="libgtest-dev libgmock-dev sqlite3 chromium fonts-dejavu-core"
node_major_min=18

started_at=$SECONDS

# Prints one line of progress with the seconds since the start.
say() { printf '\033[1m[%4ds]\033[0m %s\n' "$((SECONDS - started_at))" "$*" >&2; }

# Prints the reason and ends the script.
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Runs a command as root: directly, or through sudo.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "need root or sudo to run: $*"; fi
}

installed() {
  case "$(dpkg-query -W -f='${Status}' "$1" 2>/dev/null)" in *" installed") return 0 ;; esac
  return 1
}

# Installs those of the given Debian packages that are missing. The package lists are refreshed
# only when the first attempt fails, so that a prepared machine needs no network here.
install_packages() {
  local missing=() name
  for name in "$@"; do installed "$name" || missing+=("$name"); done
  [ ${#missing[@]} -eq 0 ] && return 0
  command -v apt-get >/dev/null || die "missing packages and no apt-get: ${missing[*]}"
  say "installing Debian packages: ${missing[*]}"
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0
    install --no-install-recommends "${missing[@]}")
  if ! as_root "${apt[@]}" >&2; then
    say "refreshing package lists"
    as_root apt-get -q update >&2
    as_root "${apt[@]}" >&2 || die "could not install: ${missing[*]}"
  fi
}

# The tests start PostgreSQL servers of their own: installing it shall make and start none. Its own
# switch for that exists once postgresql-common is there. A choice made before stays.
install_postgresql() {
  installed postgresql-15 && return 0
  local fresh=1 file=/etc/postgresql-common/createcluster.conf
  installed postgresql-common && fresh=0
  install_packages postgresql-common
  [ $fresh -eq 1 ] && as_root sed -i 's/^#*create_main_cluster.*/create_main_cluster = false/' "$file"
  install_packages postgresql-15
}

# Node: an existing one of version >= 18 is kept, whatever its origin.
install_node() {
  local major=0
  if command -v node >/dev/null; then
    major=$(node -p 'process.versions.node.split(".")[0]')
  fi
  if [ "$major" -lt "$node_major_min" ]; then install_packages nodejs npm
  elif ! command -v npm >/dev/null; then install_packages npm; fi
  command -v node >/dev/null && command -v npm >/dev/null || die "node and npm are needed"
}

# npm packages, from the lock file; skipped while the lock file and Node are the ones installed.
install_npm_packages() {
  local stamp=node_modules/.tidewire-stamp wanted
  wanted="$(node -v) $(sha256sum package-lock.json | cut -d' ' -f1)"
  if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then return 0; fi
  say "installing npm packages"
  npm ci --no-audit --no-fund --loglevel=error >&2 || die "npm ci failed"
  printf '%s\n' "$wanted" >"$stamp"
}

# The client packages and the example's page, which the binary embeds.
build_web() {
  say "building the client packages and the page"
  npm run --silent build >"$1" 2>&1 || { tail -40 "$1" >&2; die "the page did not build, see $1"; }
}

# Configures a preset. Tests are built only where GoogleTest is installed.
configure() {
  local tests=OFF
  installed libgtest-dev && installed libgmock-dev && tests=ON
  say "configuring preset $1"
  cmake --preset "$1" -DTIDEWIRE_TESTS=$tests >"$2" 2>&1 ||
    { tail -40 "$2" >&2; die "cmake --preset $1 failed, see $2"; }
}

# Builds targets of a preset's build directory: build PRESET [TARGET...].
build() {
  local preset=$1 targets=() target
  shift
  for target in "$@"; do targets+=(--target "$target"); done
  say "compiling ${*:-everything} (preset $preset)"
  cmake --build "build/$preset" "${targets[@]}" >&2 || die "build failed"
}

# Starts an example of examples/ with its own data directory, and beside it the program that changes
# its data (simulate.mjs), if it has one: run_example NAME [ARGS of tidewire dev...].
run_example() {
  local name=$1 data=data/$1 quiet=0 argument previous="" server
  shift
  for argument in "$@"; do
    [ "$previous" = --data ] && data=$argument
    [ "$argument" = --no-demo-traffic ] && quiet=1
    previous=$argument
  done
  build/release/tidewire dev --config "examples/$name" --data "$data" "$@" &
  server=$!
  trap 'kill -TERM "$server" 2>/dev/null' INT TERM
  if [ "$quiet" -eq 0 ] && [ -f "examples/$name/simulate.mjs" ]; then
    install_packages sqlite3
    simulate_while "$server" "$name" "$data" &
  fi
  # A signal ends the first wait; the server's own end is what counts.
  wait "$server" || wait "$server" || return $?
}

# Runs an example's simulate.mjs once its database is there, for as long as the server lives.
simulate_while() {
  local server=$1 name=$2 database=$3/tidewire.db worker
  until [ -f "$database" ]; do kill -0 "$server" 2>/dev/null || return 0; sleep 0.2; done
  node "examples/$name/simulate.mjs" "$database" &
  worker=$!
  while kill -0 "$server" 2>/dev/null; do sleep 0.5; done
  kill "$worker" 2>/dev/null
}
