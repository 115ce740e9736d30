# Copy an image of HUGE_GIGABYTES (10) in four layers from one registry to another: what it takes of
# memory, by `lighterman copy` and by a daemon that replicates. Needs as much room again for the copy.
# Sourced by scripts/bench, whose functions it uses.
# shellcheck shell=bash
# shellcheck disable=SC2154 # state and tree are scripts/bench's

# put_zeros FOLDER NAME NUMBER BYTES: a tar of one file of zeros, as a blob of the registry whose
# files are in FOLDER. The file is a hole, so that it takes no room there; prints its descriptor.
put_zeros() {
  local folder=$1/data/docker/registry/v2 name=$2 file=$1/zeros$3 digest
  truncate -s "$4" "$file"
  # Only the header: it says how long the file is, and the hole is the file.
  tar --format=gnu -C "$1" -cf - "zeros$3" 2>/dev/null | head -c 512 >"$file.tar" || :
  rm "$file"
  truncate -s $(($4 + 2048)) "$file.tar"
  digest=$(sha256sum "$file.tar" | cut -d' ' -f1)
  mkdir -p "$folder/blobs/sha256/${digest:0:2}/$digest" "$folder/repositories/$name/_layers/sha256/$digest"
  mv "$file.tar" "$folder/blobs/sha256/${digest:0:2}/$digest/data"
  printf 'sha256:%s' "$digest" >"$folder/repositories/$name/_layers/sha256/$digest/link"
  printf '{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:%s","size":%s}' "$digest" $(($4 + 2048))
}

# put_config FOLDER NAME: likewise, of an image without a configuration worth the name.
put_config() {
  local folder=$1/data/docker/registry/v2 text='{"architecture":"amd64","os":"linux"}' digest
  digest=$(printf %s "$text" | sha256sum | cut -d' ' -f1)
  mkdir -p "$folder/blobs/sha256/${digest:0:2}/$digest" "$folder/repositories/$2/_layers/sha256/$digest"
  printf %s "$text" >"$folder/blobs/sha256/${digest:0:2}/$digest/data"
  printf 'sha256:%s' "$digest" >"$folder/repositories/$2/_layers/sha256/$digest/link"
  printf '{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s}' "$digest" ${#text}
}

# A subshell, for a trap of its own.
bench_huge() (
  has docker-registry
  local folder=$state/huge gigabytes=${HUGE_GIGABYTES:-10} from to layers=() number
  local bytes=$((gigabytes * 1000000000 / 4))
  [ "$(df --output=avail -B1G "$state" | tail -1)" -gt $((gigabytes + 2)) ] || fail "$state has no $gigabytes GB left"
  trap 'stop_process "$folder/from/registry.pid"; stop_process "$folder/to/registry.pid"; stop_process "$folder/daemon.pid"; rm -rf "$folder"' EXIT
  mkdir -p "$folder/from" "$folder/to"
  export HOME=$folder
  from=$(free_port)
  start_registry "$folder/from" "$from"
  to=$(free_port)
  start_registry "$folder/to" "$to"
  for number in 1 2 3 4; do layers+=("$(put_zeros "$folder/from" bench/huge "$number" $((bytes / 512 * 512 + 512 * number)))"); done
  printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s,"layers":[%s,%s,%s,%s]}' \
    "$(put_config "$folder/from" bench/huge)" "${layers[@]}" >"$folder/manifest.json"
  curl -fsS -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' --data-binary "@$folder/manifest.json" \
    "http://127.0.0.1:$from/v2/bench/huge/manifests/1"

  local took
  took=$(seconds /usr/bin/time -f '%M' -o "$folder/peak" "$lighterman" copy "127.0.0.1:$from/bench/huge:1" "127.0.0.1:$to/by/hand:1")
  printf '%-34s %10.3f s, %s at the other registry\n' "copy of $gigabytes GB" "$took" "$(du -sh --apparent-size "$folder/to/data" | cut -f1)"
  result "its memory" "$(awk '{printf "%.0f", $1 / 1024}' "$folder/peak")" 60 "limit" MB "< 1"

  # The daemon, with what it has for its other work.
  rm -rf "$folder/to/data"
  local port
  port=$(free_port)
  export LIGHTERMAN_SERVER=http://127.0.0.1:$port
  cat >"$folder/lighterman.yml" <<YAML
listen: 127.0.0.1:$port
data: $folder/state
staging: {listen: "127.0.0.1:$(free_port)"}
sources: {}
YAML
  (cd / && exec setsid "$lighterman" serve --config "$folder/lighterman.yml" >"$folder/daemon.log" 2>&1 </dev/null) &
  echo $! >"$folder/daemon.pid"
  wait_until 20 "the daemon (see $folder/daemon.log)" curl -fsS "http://127.0.0.1:$port/readyz"
  took=$(seconds "$lighterman" promote --follow "127.0.0.1:$from/bench/huge:1" "127.0.0.1:$to/by/daemon:1")
  printf '%-34s %10.3f s\n' "the daemon replicates it" "$took"
  result "its memory" "$(awk '/VmHWM/ {printf "%.0f", $2 / 1024}' "/proc/$(cat "$folder/daemon.pid")/status")" 60 "limit" MB "< 1"
)
