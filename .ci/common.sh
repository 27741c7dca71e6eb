# Sourced by ./run and ./test. Expects `root`, the top folder of the project.
# shellcheck shell=bash

build_packages=(g++ meson ninja-build pkg-config libuv1-dev libc-ares-dev libssl-dev
  libsimdjson-dev libxxhash-dev libhiredis-dev libyaml-cpp-dev libcli11-dev nlohmann-json3-dev node-llhttp)

is_installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Installs those of the given Debian packages that are missing. Asks the network for nothing
# when all are there, so that the second start is quick and works offline.
install_missing() {
  if ! command -v dpkg-query >/dev/null; then
    echo "Not a Debian system: these have to be there already: $*"
    return
  fi
  local package missing=() as_root=()
  for package in "$@"; do
    is_installed "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  echo "Installing ${missing[*]}"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

# configure NAME CC CXX [MESON OPTION…]: prepares build/NAME, or brings it up to date with new
# source files and options. The compiler stays the one of the first time.
configure() {
  local folder="$root/build/$1" cc=$2 cxx=$3 launcher=""
  shift 3
  if [ -f "$folder/meson-private/coredata.dat" ]; then
    meson setup --reconfigure "$@" "$folder" "$root"
    return
  fi
  if command -v ccache >/dev/null; then launcher="ccache "; fi
  CC="$launcher$cc" CXX="$launcher$cxx" meson setup "$@" "$folder" "$root"
}
