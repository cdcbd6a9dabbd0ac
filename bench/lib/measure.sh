# What each subcommand measures, once per run. Sourced by bench/run.

# Two cores, one for the server and one for the load: anything else falsifies the figures.
warn_if_busy() {
  local idle_before idle_after busy
  idle_before=$(awk '/^cpu /{print $5 + $6}' /proc/stat)
  sleep 2
  idle_after=$(awk '/^cpu /{print $5 + $6}' /proc/stat)
  busy=$((100 - (idle_after - idle_before) * 100 / (2 * $(getconf CLK_TCK) * $(nproc))))
  if [ "$busy" -gt 5 ]; then
    say "warning: the machine is $busy % busy with other work; the figures will be too high"
  fi
}

# The join payload for row changes; $1 is `,"select":[…]` or empty.
rows_join() {
  local binding='"event":"*","schema":"public","table":"client_leads"'
  binding+=',"filter":"workspace_name=eq.Northwind"'
  printf '{"config":{"broadcast":{"self":false},"presence":{"enabled":false},'
  printf '"postgres_changes":[{%s}]},"access_token":"%s"}' "$binding$1" "$service_key"
}

# The load generator, pinned; its report goes to $raw. A failed run is said and goes on: its report
# says what went wrong.
fanout_load() {
  say "  run $run: $*"
  taskset -c "$LOAD_CORE" "$tools/bench_fanout_load" --url "$realtime_url" --pid "$server_pids" \
    --seconds "$RUN_SECONDS" --json "$raw" "$@" >&2 || say "  the run failed"
}

webhook_load() {
  say "  run $run: $*"
  taskset -c "$LOAD_CORE" "$tools/bench_webhook_load" --url "$hook_url" --pid "$server_pids" \
    --secret "$WEBHOOK_SECRET" --json "$raw" "$@" >&2 || say "  the run failed"
}

extra_flags() {
  if [ "$1" = nchan ]; then echo "--join none --publisher-url $publisher_url"; fi
}

measure_fanout() {
  local sockets server mode
  for sockets in $SOCKETS; do
    for server in $SERVERS; do
      start_server "$server" || continue
      if carries_broadcasts "$server"; then
        for mode in saturated single paced; do
          # shellcheck disable=SC2046  # A list of words.
          fanout_load --label "$server" --connections "$sockets" --mode "$mode" \
            $(extra_flags "$server")
        done
      else
        say "skipped: $server does not deliver broadcasts"
      fi
      stop_server
    done
    measure_rows "rows" ',"select":["first_name"]' "$sockets"
    measure_rows "whole rows" "" "$sockets"
  done
}

# One message to one socket arrives.
carries_broadcasts() {
  # shellcheck disable=SC2046  # A list of words.
  "$tools/bench_fanout_load" --url "$realtime_url" --connections 1 --mode single --messages 1 \
    --warmup 0 $(extra_flags "$1") >/dev/null 2>&1
}

# Row changes instead of broadcasts: a webhook becomes a row, and its change goes to all. The
# reference then sends messages of the size that the row's change had.
measure_rows() {
  local group=$1 select=$2 sockets=$3 mode bytes
  start_server tidewire || return 0
  rows_join "$select" >"$work/join.json"
  for mode in saturated single paced; do
    fanout_load --label tidewire --group "$group" --connections "$sockets" --mode "$mode" \
      --publish webhook --hook-url "$hook_url" --join-file "$work/join.json"
  done
  stop_server
  bytes=$(node -p 'Math.round(JSON.parse(process.argv[1] || "{}").bytes_per_delivery) || 0' \
    "$(tail -n 1 "$raw")")
  [ "$bytes" -gt 0 ] || return 0
  start_server epoll
  for mode in saturated single paced; do
    fanout_load --label epoll --group "$group" --connections "$sockets" --mode "$mode" \
      --bytes "$bytes"
  done
  stop_server
}

measure_idle() {
  local server
  for server in $SERVERS; do
    start_server "$server" || continue
    # shellcheck disable=SC2046  # A list of words.
    fanout_load --label "$server" --connections "$IDLE_SOCKETS" --mode idle $(extra_flags "$server")
    stop_server
  done
}

measure_webhook() {
  local server
  for server in $WEBHOOK_SERVERS; do
    start_server "$server" || continue
    webhook_load --label "$server" --connections "$WEBHOOK_CONNECTIONS" --duplicates 10 \
      --seconds "$((RUN_SECONDS * 2))"
    "count_$server" "$(tail -n 1 "$raw")"
    stop_server
  done
  start_server tidewire || return 0
  webhook_load --label tidewire --connections "$WEBHOOK_CONNECTIONS" --rate "$WEBHOOK_RATE" \
    --seconds "$((RUN_SECONDS * 2))"
  stop_server
}

measure_latency() {
  start_server tidewire || return 0
  webhook_load --label tidewire --connections "$WEBHOOK_CONNECTIONS" --rate "$LATENCY_RATE" \
    --seconds "$((RUN_SECONDS * 2))" --workspace one --subscribe "$realtime_url" \
    --join "$(rows_join "")"
  stop_server
}

# The sum of all month counters: with duplicates sent on purpose it must equal the distinct events.
counter_sum="select coalesce(sum(emails_sent_mtd + manual_emails_sent_mtd + opens_mtd + replies_mtd
  + positive_replies_mtd + unsubscribed_mtd + bounced_mtd), 0) from client_metrics"

count_express() {
  add_count express "$1" "$(psql -qAt "$database_url" -c "$counter_sum")"
}

count_tidewire() {
  local file sum
  command -v sqlite3 >/dev/null || return 0
  while read -r file; do
    sum=$(sqlite3 -readonly "$file" "$counter_sum" 2>/dev/null) || continue
    add_count tidewire "$1" "$sum"
    return 0
  done < <(find "$data_dir" -type f \( -name '*.db' -o -name '*.sqlite*' \))
  say "  no client_metrics found in the data folder: counters not checked"
}

add_count() {
  node -e '
    const [server, line, counted] = process.argv.slice(1);
    const report = JSON.parse(line);
    const distinct = Object.keys(report).filter((name) => name.startsWith("distinct_"))
      .reduce((sum, name) => sum + report[name], 0);
    console.log(JSON.stringify({ check: "counters", server, distinct, counted: Number(counted) }));
  ' "$@" >>"$raw"
}
