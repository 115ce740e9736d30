# What the scripts share. Sourced, never run.
# shellcheck shell=bash
set -euo pipefail

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export tree

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' plain=$'\e[0m'
else
  bold='' dim='' red='' plain=''
fi

say() { printf '%s==>%s %s\n' "$bold" "$plain" "$*"; }
note() { printf '    %s%s%s\n' "$dim" "$*" "$plain"; }
fail() {
  printf '%s%s: %s%s\n' "$red" "$(basename "$0")" "$*" "$plain" >&2
  exit 1
}

# as_root COMMAND...: as it is when we are root, with sudo otherwise.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "this step needs root: run it as root, or install sudo"
  fi
}

# wait_until SECONDS WHAT COMMAND...: asks four times a second.
wait_until() {
  local tries=$(($1 * 4)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "$what did not come up"
    sleep 0.25
  done
}

# A TCP port on loopback where nobody listens now.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

# start_engine FOLDER: a private Docker Engine whose socket is FOLDER/docker.sock.
# No bridge and no iptables: it touches nothing of this machine's network.
start_engine() {
  local folder=$1
  mkdir -p "$folder"
  as_root sh -c '
    # A fresh chroot or container may come without the control groups that runc needs.
    if [ ! -e /sys/fs/cgroup/cgroup.controllers ] && ! grep -q " /sys/fs/cgroup/" /proc/mounts; then
      mountpoint -q /sys/fs/cgroup || mount -t tmpfs cgroup /sys/fs/cgroup
      for controller in cpu cpuacct cpuset memory devices freezer blkio pids; do
        mkdir -p /sys/fs/cgroup/$controller
        mount -t cgroup -o $controller cgroup /sys/fs/cgroup/$controller 2>/dev/null || :
      done
    fi
    cd / && exec setsid dockerd --data-root "$1/data" --exec-root "$1/exec" -H "unix://$1/docker.sock" \
      --pidfile "$1/docker.pid" --iptables=false --ip6tables=false --bridge=none \
      >"$1/docker.log" 2>&1 </dev/null &' sh "$folder"
  wait_until 60 "the Docker Engine (see $folder/docker.log)" \
    as_root curl -fsS --unix-socket "$folder/docker.sock" http://localhost/_ping
  as_root chmod 0666 "$folder/docker.sock"
}

# stop_engine FOLDER: and everything it mounted or wrote.
stop_engine() {
  local folder=$1
  if [ -f "$folder/docker.pid" ]; then
    local pid
    pid=$(cat "$folder/docker.pid")
    as_root kill "$pid" 2>/dev/null || :
    local tries=80
    while as_root kill -0 "$pid" 2>/dev/null && [ "$tries" -gt 0 ]; do
      tries=$((tries - 1))
      sleep 0.25
    done
    as_root kill -9 "$pid" 2>/dev/null || :
  fi
  # Innermost mounts first.
  awk -v folder="$folder/" 'index($2, folder) == 1 {print $2}' /proc/mounts | sort -r |
    while read -r mounted; do as_root umount -l "$mounted"; done
  as_root rm -rf "$folder"
}

# start_registry FOLDER PORT: Debian's docker-registry; its access log is FOLDER/access.log.
start_registry() {
  local folder=$1 port=$2
  mkdir -p "$folder"
  cat >"$folder/registry.yml" <<YAML
version: 0.1
log: {accesslog: {disabled: false}, level: warn}
storage:
  filesystem: {rootdirectory: $folder/data}
  delete: {enabled: true}
http: {addr: 127.0.0.1:$port}
YAML
  (cd / && exec setsid docker-registry serve "$folder/registry.yml" >"$folder/access.log" 2>&1 </dev/null) &
  echo $! >"$folder/registry.pid"
  wait_until 20 "the registry (see $folder/access.log)" curl -fsS "http://127.0.0.1:$port/v2/"
}

stop_process() {
  [ -f "$1" ] || return 0
  local pid
  pid=$(cat "$1")
  kill "$pid" 2>/dev/null || :
  local tries=160
  while kill -0 "$pid" 2>/dev/null && [ "$tries" -gt 0 ]; do
    tries=$((tries - 1))
    sleep 0.25
  done
  kill -9 "$pid" 2>/dev/null || :
  rm -f "$1"
}

# busybox_tree FOLDER: a tiny root file system, out of Debian's busybox-static.
busybox_tree() {
  mkdir -p "$1/bin" "$1/tmp" "$1/etc"
  cp /bin/busybox "$1/bin/busybox"
  local applet
  for applet in $(/bin/busybox --list); do
    [ "$applet" = busybox ] || ln -sf busybox "$1/bin/$applet"
  done
  echo 'root:x:0:0:root:/:/bin/sh' >"$1/etc/passwd"
}

# compiler_tree FOLDER: the same with this machine's C compiler in it.
compiler_tree() {
  local part
  for part in bin sbin lib lib64; do
    mkdir -p "$1/usr/$part"
    ln -s "usr/$part" "$1/$part"
  done
  busybox_tree "$1"
  apt-cache depends --recurse --installed --no-recommends --no-suggests --no-conflicts --no-breaks \
    --no-replaces --no-enhances gcc libc6-dev | grep '^[a-z]' | sort -u |
    grep -vE '^(perl|debconf|dpkg|tar|install-info|libdb|libbz2|liblzma|libacl|libselinux|libpcre|coreutils|binutils-common$)' |
    xargs dpkg -L 2>/dev/null | grep -vE '^/usr/share|^/\.$|^package ' | sort -u |
    while read -r path; do
      if [ -f "$path" ] || [ -L "$path" ]; then echo "$path"; fi
    done | tar -C / --no-recursion -cf - -T - 2>/dev/null | tar -C "$1" -xf - --keep-directory-symlink
}
