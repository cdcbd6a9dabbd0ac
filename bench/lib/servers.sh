# Starting and stopping the servers under test. Sourced by bench/run.
#
# Every start_<name> leaves the server's process ids in $server_pids (comma-separated) and its URLs
# in $realtime_url or $hook_url, pinned to core $SERVER_CORE. It returns 1, with the reason said,
# when the server is not available on this machine.

started=()   # Process ids to end.
database=""  # Data folder of the temporary Postgres, when it runs.
server_pids=""
realtime_url=""
hook_url=""

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }

field() { node -p 'JSON.parse(process.argv[1])[process.argv[2]] ?? ""' "$1" "$2"; }

build_tools() {
  [ -d build/bench ] || cmake --preset bench >/dev/null
  cmake --build build/bench --target bench_fanout_load bench_epoll_sender bench_webhook_load \
    bench_selftest >&2
  "$tools/bench_selftest" >&2
  for peer in bench/fanout/peers/ws bench/webhook/express; do
    [ -d "$peer/node_modules" ] || npm ci --prefix "$peer" --no-audit --no-fund >&2
  done
}

# Starts "$@" pinned, with its output in a file, and waits for the first line, which goes to
# $first_line.
launch() {
  local out=$work/out.${#started[@]}.$RANDOM
  taskset -c "$SERVER_CORE" "$@" >"$out" 2>"$out.err" &
  server_pids=$!
  started+=("$server_pids")
  for _ in $(seq 100); do
    first_line=$(head -n 1 "$out")
    [ -n "$first_line" ] && return 0
    kill -0 "$server_pids" 2>/dev/null || break
    sleep 0.1
  done
  say "did not start: $1"
  tail -n 5 "$out.err" >&2
  return 1
}

stop_server() {
  local pid
  for pid in "${started[@]}"; do
    kill "$pid" 2>/dev/null || continue
    wait "$pid" 2>/dev/null || true
  done
  started=()
  [ -z "$database" ] || stop_postgres
}

cleanup() {
  stop_server
  rm -rf "$work"
}

# Starts the named server; what was half started is ended again.
start_server() {
  "start_$1" && return 0
  stop_server
  return 1
}

start_epoll() {
  launch "$tools/bench_epoll_sender" || return 1
  realtime_url="$(field "$first_line" realtime_url)/websocket?apikey=none&vsn=2.0.0"
}

start_ws() {
  launch env NODE_ENV=production node bench/fanout/peers/ws/server.mjs || return 1
  realtime_url="$(field "$first_line" realtime_url)/websocket?apikey=none&vsn=2.0.0"
}

start_tidewire() {
  if [ ! -x "$TIDEWIRE" ]; then
    say "skipped: $TIDEWIRE is not built"
    return 1
  fi
  data_dir=$(mktemp -d "$work/data.XXXX")
  # shellcheck disable=SC2086  # TIDEWIRE_ARGS is a list of words.
  launch "$TIDEWIRE" dev --json --no-demo-traffic --listen 127.0.0.1:0 --data "$data_dir" \
    $TIDEWIRE_ARGS || return 1
  service_key=$(field "$first_line" service_key)
  hook_url=$(field "$first_line" hook_url)
  realtime_url="$(field "$first_line" realtime_url)/websocket?apikey=$service_key&vsn=2.0.0"
}

# Debian's nginx with libnginx-mod-nchan; it speaks no Phoenix, so its clients do not join.
start_nchan() {
  local module=${NCHAN_MODULE:-/usr/lib/nginx/modules/ngx_nchan_module.so}
  if [ ! -f "$module" ]; then
    say "skipped: nchan (libnginx-mod-nchan) is not installed"
    return 1
  fi
  local port
  port=$(free_port)
  sed -e "s|@MODULE@|$module|; s|@PORT@|$port|; s|@WORK@|$work|g" \
    bench/fanout/peers/nchan/nginx.conf >"$work/nginx.conf"
  taskset -c "$SERVER_CORE" nginx -c "$work/nginx.conf" -p "$work" &
  server_pids=$!
  started+=("$server_pids")
  sleep 1
  kill -0 "$server_pids" 2>/dev/null || return 1
  realtime_url="ws://127.0.0.1:$port/sub"
  publisher_url="ws://127.0.0.1:$port/pub"
}

free_port() {
  node -e 'const s = require("net").createServer();
    s.listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); });'
}

# Postgres refuses to run as root; its own Debian user then runs it.
as_postgres() {
  if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

start_postgres() {
  local bin
  bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
  if [ -z "$bin" ]; then
    say "skipped: Postgres is not installed"
    return 1
  fi
  database=$work/postgres
  mkdir -p "$database"
  [ "$(id -u)" = 0 ] && chown postgres "$database"
  postgres_bin=$bin
  postgres_port=$(free_port)
  as_postgres "$bin/initdb" -D "$database" -U bench -A trust >/dev/null || return 1
  (
    taskset -cp "$SERVER_CORE" "$BASHPID" >/dev/null
    as_postgres "$bin/pg_ctl" -D "$database" -l "$database/log" -w start \
      -o "-p $postgres_port -k $database -h 127.0.0.1" >/dev/null
  ) || return 1
  database_url="postgres://bench@127.0.0.1:$postgres_port/postgres"
  psql -q "$database_url" -f bench/webhook/express/schema.sql
}

stop_postgres() {
  as_postgres "$postgres_bin/pg_ctl" -D "$database" -m immediate stop >/dev/null || true
  rm -rf "$database"
  database=""
}

start_express() {
  start_postgres || return 1
  launch env NODE_ENV=production DATABASE_URL="$database_url" WEBHOOK_SECRET="$WEBHOOK_SECRET" \
    node bench/webhook/express/server.mjs || return 1
  hook_url=$(field "$first_line" hook_url)
  server_pids="$server_pids,$(head -n 1 "$database/postmaster.pid")"
}
