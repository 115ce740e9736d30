# A context of 1 GB in 20,000 files of which one changed: how long until the first step that needs it
# runs, against a fresh clone and the docker command line with BuildKit.
# Sourced by scripts/bench, whose functions it uses.
# shellcheck shell=bash
# shellcheck disable=SC2154 # state and rounds are scripts/bench's

# until_line PATTERN COMMAND...: seconds until a line of its output matches; it goes on to its end.
until_line() {
  local pattern=$1 from to='' line
  shift
  from=$(date +%s%N)
  while IFS= read -r line; do
    if [ -z "$to" ] && [[ $line =~ $pattern ]]; then to=$(date +%s%N); fi
    printf '%s\n' "$line"
  done < <("$@" 2>&1) >"$state/last.out"
  [ -n "$to" ] || { tail -20 "$state/last.out" >&2; fail "no line like $pattern: $*"; }
  awk -v from="$from" -v to="$to" 'BEGIN {printf "%.3f\n", (to - from) / 1e9}'
}

write_large_app() {
  mkdir -p "$state/app"
  # The step comes after the context and takes next to none of it.
  printf 'FROM bench/base\nCOPY . /context/\nRUN true\n' >"$state/app/Dockerfile"
  local folder
  for folder in $(seq "${SYNC_FOLDERS:-200}"); do
    mkdir -p "$state/app/folder$folder"
    head -c 5M /dev/urandom | split -b 50K -a 3 - "$state/app/folder$folder/f"
  done
}

by_clone() {
  rm -rf "$state/clone"
  git clone -q --depth 1 "file://$state/app.git" "$state/clone"
  # Debian's, which needs no plugin to speak with BuildKit.
  DOCKER_BUILDKIT=1 /usr/bin/docker -H "unix://$state/engine/docker.sock" build --progress plain --network none "$state/clone"
}

bench_sync() {
  make_app
  rm -f "$state/app/a" "$state/app/b"
  write_large_app
  commit_app first
  start_daemon "reuse: never"
  follow_run >/dev/null
  by_clone >/dev/null 2>&1
  local ours=() theirs=() round
  for round in $(seq "${SYNC_ROUNDS:-3}"); do
    head -c 50K /dev/urandom >"$state/app/folder7/faab"
    commit_app "round $round"
    ours+=("$(until_line '\] COPY \. /context' follow_run)")
    grep -o 'context: .*' "$state/last.out" || :
    theirs+=("$(until_line '\] COPY \. /context' by_clone)")
  done
  result "1 file of $((${SYNC_FOLDERS:-200} * 100)), first step runs" "$(printf '%s\n' "${ours[@]}" | median)" \
    "$(printf '%s\n' "${theirs[@]}" | median)" "clone + docker build" s "at most 0.20"
  stop_daemon
  rm -rf "$state/app" "$state/app.git" "$state/clone"
}
