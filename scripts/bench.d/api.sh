# Lists among a million runs, and a log that a thousand follow. Nobody else serves these, so there is no peer.
# Sourced by scripts/bench, whose functions it uses.
# shellcheck shell=bash
# shellcheck disable=SC2154 # state and tree are scripts/bench's

bench_api() {
  "$tree/scripts/build" default bench_api
  "$tree/build/default/bench_api" "${API_RUNS:-1000000}" "${API_FOLLOWERS:-1000}" >"$state/api.txt"
  local what p50 p99
  while IFS=: read -r what p50; do
    read -r _ p50 _ p99 <<<"$p50"
    printf '%-34s p50 %s ms, p99 %s ms\n' "$what" "$p50" "$p99"
  done <"$state/api.txt"
}
