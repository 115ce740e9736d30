# Sign and attest an image: ours against cosign's two commands, each on images of its own.
# Sourced by scripts/bench, whose functions it uses.
# shellcheck shell=bash
# shellcheck disable=SC2154 # state, tree, rounds and port are scripts/bench's

# A subshell, for a trap of its own.
bench_sign() (
  "$tree/scripts/peers" >/dev/null
  "$tree/scripts/build" default bench_sign
  has docker-registry
  local peers=$tree/build/peers/bin port
  port=$(free_port)
  # In memory: the registry syncs each file, and it is not the disk that is to be measured.
  local memory
  memory=$(mktemp -d /dev/shm/lighterman-bench.XXXXXX)
  trap 'stop_process "$state/sign/registry.pid"; rm -rf "$memory"' EXIT
  mkdir -p "$state/sign"
  ln -s "$memory" "$state/sign/data"
  start_registry "$state/sign" "$port"
  local repository=127.0.0.1:$port/bench/sign
  export COSIGN_PASSWORD=bench
  # cosign keeps things in its home.
  as_cosign() { (cd "$state/sign" && HOME=$state/sign "$peers/$1" "${@:2}"); }
  as_cosign cosign2 generate-key-pair >/dev/null 2>&1
  # An SBOM of 300 components, as a small Debian image has.
  jq -n '{bomFormat: "CycloneDX", specVersion: "1.5", version: 1, components: [range(300) |
    {type: "library", name: "package-\(.)", version: "1.\(.)", purl: "pkg:deb/debian/package-\(.)@1.\(.)"}]}' \
    >"$state/sign/sbom.json"
  # image NAME: an image with bytes of its own.
  image() {
    mkdir -p "$state/sign/$1"
    echo "$1" >"$state/sign/$1/name"
    tar -C "$state/sign" -cf "$state/sign/$1.tar" "$1"
    as_cosign crane append --insecure -f "$1.tar" -t "$repository:$1" >/dev/null 2>&1
  }
  by_cosign() { # VERSION IMAGE MORE...
    local version=$1 image=$2
    shift 2
    as_cosign "cosign$version" sign -y --tlog-upload=false "$@" --key cosign.key "$image" &&
      as_cosign "cosign$version" attest -y --tlog-upload=false "$@" --key cosign.key \
        --type cyclonedx --predicate sbom.json "$image"
  }
  by_both() { by_cosign 2 "$1" && by_cosign 3 "$1" --use-signing-config=false; }
  # Not counted: everything is read from the disk once.
  image warm
  by_both "$repository:warm" >/dev/null 2>&1
  local ours_both=() ours_one=() theirs_both=() theirs_one=() round
  by_us() { "$tree/build/default/bench_sign" "$state/sign/cosign.key" "$state/sign/sbom.json" "$@"; }
  for round in $(seq "$rounds"); do
    image "a$round"
    image "b$round"
    image "c$round"
    image "d$round"
    ours_both+=("$(by_us both "$repository:a$round")")
    theirs_both+=("$(seconds by_both "$repository:b$round")")
    ours_one+=("$(by_us legacy "$repository:c$round")")
    theirs_one+=("$(seconds by_cosign 2 "$repository:d$round")")
  done
  speed_of() { awk -v ours="$1" -v theirs="$2" 'BEGIN {printf "%.1f", theirs / ours}'; }
  local ours theirs
  ours=$(printf '%s\n' "${ours_both[@]}" | median) theirs=$(printf '%s\n' "${theirs_both[@]}" | median)
  result "sign + attest, both forms" "$ours" "$theirs" "cosign 2 and 3" s "<= 0.20 ($(speed_of "$ours" "$theirs") times faster)"
  ours=$(printf '%s\n' "${ours_one[@]}" | median) theirs=$(printf '%s\n' "${theirs_one[@]}" | median)
  result "sign + attest, tags only" "$ours" "$theirs" "cosign 2" s "<= 0.20 ($(speed_of "$ours" "$theirs") times faster)"
)
