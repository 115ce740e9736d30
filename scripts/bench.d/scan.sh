# Scan an image of which one small layer changed, against the same image scanned with an empty cache.
# Sourced by scripts/bench, whose functions it uses.
# shellcheck shell=bash
# shellcheck disable=SC2154 # state, tree and rounds are scripts/bench's

# A subshell, for a trap of its own.
bench_scan() (
  "$tree/scripts/peers" >/dev/null
  "$tree/scripts/build" default bench_scan
  has docker-registry
  local peers=$tree/build/peers/bin port folder=$state/scan memory number round
  memory=$(mktemp -d /dev/shm/lighterman-bench.XXXXXX)
  trap 'stop_process "$folder/registry.pid"; rm -rf "$memory"' EXIT
  mkdir -p "$folder" "$memory/data"
  ln -s "$memory/data" "$folder/data"
  port=$(free_port)
  start_registry "$folder" "$port"
  local repository=127.0.0.1:$port/bench/scan
  # A Debian image's package list, and files in four layers of 150 MB.
  mkdir -p "$folder/base/etc" "$folder/base/var/lib/dpkg"
  printf 'ID=debian\nVERSION_ID="12"\n' >"$folder/base/etc/os-release"
  echo 12.1 >"$folder/base/etc/debian_version"
  for number in $(seq 300); do
    printf 'Package: package-%s\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.%s-1\nMaintainer: x <x@y.z>\n\n' "$number" "$number"
  done >"$folder/base/var/lib/dpkg/status"
  tar -C "$folder/base" -cf "$folder/base.tar" .
  local layers=(-f "$folder/base.tar")
  for number in 1 2 3 4; do
    mkdir -p "$memory/files/srv/$number"
    head -c 150M /dev/urandom | split -b 100K -a 4 - "$memory/files/srv/$number/f"
    tar -C "$memory/files" -cf "$memory/$number.tar" srv
    rm -rf "$memory/files"
    layers+=(-f "$memory/$number.tar")
  done
  append() { (cd "$folder" && HOME=$folder "$peers/crane" append --insecure "$@" >/dev/null 2>&1); }
  append "${layers[@]}" -t "$repository:base"
  rm "$memory"/*.tar
  scan() { "$tree/build/default/bench_scan" "$peers/trivy" "$@"; }
  scan "$folder/warm" "$repository:base" >/dev/null
  local cold=() warm=()
  for round in $(seq "${SCAN_ROUNDS:-3}"); do
    mkdir -p "$folder/change/srv"
    echo "$round" >"$folder/change/srv/change"
    tar -C "$folder/change" -cf "$folder/change.tar" .
    append -b "$repository:base" -f "$folder/change.tar" -t "$repository:r$round"
    warm+=("$(scan "$folder/warm" "$repository:r$round")")
    cold+=("$(scan "$folder/cold$round" "$repository:r$round")")
  done
  result "scan, one layer changed" "$(printf '%s\n' "${warm[@]}" | median)" \
    "$(printf '%s\n' "${cold[@]}" | median)" "cold scan" s "(no goal)"
)
