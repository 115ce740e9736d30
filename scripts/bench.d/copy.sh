# Copy images from one registry to another: ours against skopeo, crane and oras, each into
# repositories of its own. COPY_DELAY=50 puts a line of 50 ms for a round trip before both registries;
# COPY_MEGABYTES (of a layer), COPY_IMAGES and COPY_ROUNDS make it smaller.
# Sourced by scripts/bench, whose functions it uses.
# shellcheck shell=bash
# shellcheck disable=SC2154 # state, tree and rounds are scripts/bench's

# A subshell, for a trap of its own.
bench_copy() (
  "$tree/scripts/peers" >/dev/null
  has docker-registry
  has skopeo
  local peers=$tree/build/peers/bin from to memory folder=$state/copy
  # In memory: the registries sync each file, and it is not the disk that is to be measured.
  memory=$(mktemp -d /dev/shm/lighterman-bench.XXXXXX)
  trap 'stop_process "$folder/from/registry.pid"; stop_process "$folder/to/registry.pid"; stop_process "$folder/from/line.pid"; stop_process "$folder/to/line.pid"; rm -rf "$memory"' EXIT
  mkdir -p "$folder/from" "$folder/to" "$memory/from" "$memory/to"
  ln -s "$memory/from" "$folder/from/data"
  ln -s "$memory/to" "$folder/to/data"
  from=$(free_port)
  start_registry "$folder/from" "$from"
  to=$(free_port)
  start_registry "$folder/to" "$to"
  local near=127.0.0.1:$from/bench source target
  # slow PLACE PORT: the port of a slow line to it.
  slow() {
    local port=$2
    if [ -n "${COPY_DELAY:-}" ]; then
      port=$(free_port)
      python3 "$tree/scripts/bench.d/slow_line.py" "$port" "$2" "$COPY_DELAY" >/dev/null 2>&1 &
      echo $! >"$folder/$1/line.pid"
      wait_until 10 "the slow line" curl -fsS "http://127.0.0.1:$port/v2/" >/dev/null
    fi
    echo "127.0.0.1:$port"
  }
  source=$(slow from "$from")/bench
  target=$(slow to "$to")
  export HOME=$folder
  # layer FILE MEGABYTES: bytes that nobody can compress.
  layer() {
    head -c "$2"M /dev/urandom >"$memory/bytes"
    tar -C "$memory" -cf "$memory/$1.tar" bytes
    rm "$memory/bytes"
  }
  append() { "$peers/crane" append --insecure "$@" >/dev/null 2>&1; }
  local layers=() number
  for number in $(seq 8); do
    layer "$number" "${COPY_MEGABYTES:-160}"
    layers+=(-f "$memory/$number.tar")
  done
  append "${layers[@]}" -t "$near/large:1"
  layer changed 20
  append -b "$near/large:1" -f "$memory/changed.tar" -t "$near/large:2"
  rm "$memory"/*.tar
  for number in $(seq "${COPY_IMAGES:-200}"); do
    echo "$number" >"$memory/name"
    tar -C "$memory" -cf "$memory/small.tar" name
    append -f "$memory/small.tar" -t "$near/small:v$number"
  done

  # peak COMMAND...: what it took of memory, in MB.
  peak() { /usr/bin/time -f '%M' -o "$folder/peak" "$@" >/dev/null 2>&1 && awk '{printf "%.0f\n", $1 / 1024}' "$folder/peak"; }
  copy_by() { # PROGRAM IMAGE INTO:TAG
    case $1 in
      lighterman) "$lighterman" copy "$source/$2" "$target/$3" ;;
      plain) "$lighterman" copy --image-only "$source/$2" "$target/$3" ;;
      skopeo) skopeo copy -q --src-tls-verify=false --dest-tls-verify=false "docker://$source/$2" "docker://$target/$3" ;;
      crane) "$peers/crane" copy --insecure "$source/$2" "$target/$3" ;;
      oras) "$peers/oras" cp --from-plain-http --to-plain-http "$source/$2" "$target/$3" ;;
    esac
  }
  sync_by() { # PROGRAM INTO
    case $1 in
      lighterman) "$lighterman" sync "$source/small" "$target/$2" ;;
      plain) "$lighterman" sync --image-only "$source/small" "$target/$2" ;;
      skopeo) skopeo sync --src-tls-verify=false --dest-tls-verify=false --src docker --dest docker "$source/small" "$target/$2" ;;
      crane) "$peers/crane" copy --insecure --all-tags "$source/small" "$target/$2" ;;
      oras) for number in $(seq "${COPY_IMAGES:-200}"); do "$peers/oras" cp --from-plain-http --to-plain-http "$source/small:v$number" "$target/$2:v$number"; done ;;
    esac
  }
  local program round programs=(plain lighterman skopeo crane oras)
  for round in $(seq "${COPY_ROUNDS:-3}"); do
    for program in "${programs[@]}"; do
      seconds copy_by "$program" large:1 "$program/r$round:1" >>"$folder/$program.cold"
      seconds copy_by "$program" large:2 "$program/r$round:2" >>"$folder/$program.changed"
      seconds copy_by "$program" large:2 "$program/r$round:2" >>"$folder/$program.same"
      seconds sync_by "$program" "$program/s$round" >>"$folder/$program.sync"
      # What lies in memory must not be there five times.
      rm -rf "$memory/to/docker/registry/v2/blobs" "$memory/to/docker/registry/v2/repositories"
    done
  done
  compare() { # WHAT CASE
    local best='' name time ours
    for name in skopeo crane oras; do
      time=$(median <"$folder/$name.$2")
      if [ -z "$best" ] || awk -v a="$time" -v b="${best% *}" 'BEGIN {exit !(a < b)}'; then best="$time $name"; fi
    done
    for ours in plain lighterman; do
      result "$1$([ "$ours" = plain ] || echo ', with signatures')${COPY_DELAY:+ at $COPY_DELAY ms}" "$(median <"$folder/$ours.$2")" "${best% *}" "${best#* }" s "<= 0.77"
    done
  }
  compare "copy 8 layers of ${COPY_MEGABYTES:-160} MB" cold
  compare "one layer changed" changed
  compare "nothing changed" same
  compare "sync of ${COPY_IMAGES:-200} images" sync
  local ours theirs
  ours=$(peak "$lighterman" copy "$source/large:1" "$target/memory/ours:1")
  theirs=$(for program in skopeo crane oras; do
    case $program in
      skopeo) peak skopeo copy -q --src-tls-verify=false --dest-tls-verify=false "docker://$source/large:1" "docker://$target/memory/skopeo:1" ;;
      crane) peak "$peers/crane" copy --insecure "$source/large:1" "$target/memory/crane:1" ;;
      oras) peak "$peers/oras" cp --from-plain-http --to-plain-http "$source/large:1" "$target/memory/oras:1" ;;
    esac
  done | tee "$folder/peaks" | sort -n | head -1)
  printf '%-34s %s MB of skopeo, crane and oras\n' "" "$(paste -sd, "$folder/peaks")"
  result "memory of a copy" "$ours" "$theirs" "the least of theirs" MB "<= 1"
)
