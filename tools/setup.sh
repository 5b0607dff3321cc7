#!/usr/bin/env bash
# Installs what the build needs and this machine lacks: Debian packages, the virtual environment .venv, node_modules.
# When nothing is missing it returns in well under a second: the last two are keyed by a hash of what they depend on.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '== setup: %s\n' "$*"; }

# package | what its presence is recognised by: a command or a file
debian_needs='
cmake|cmake
ninja-build|ninja
g++|c++
ccache|ccache
npm|npm
libboost-dev|/usr/include/boost/lockfree/queue.hpp
catch2|/usr/include/catch2
libsodium-dev|/usr/include/sodium.h
nlohmann-json3-dev|/usr/include/nlohmann/json.hpp
'

install_debian_packages() {
  local missing=() package probe
  while IFS='|' read -r package probe; do
    [ -n "$package" ] || continue
    if [ "${probe#/}" = "$probe" ]; then
      command -v "$probe" >/dev/null || missing+=("$package")
    else
      [ -e "$probe" ] || missing+=("$package")
    fi
  done <<<"$debian_needs"
  # Python is asked itself: a private build of Python brings its own venv module and headers.
  python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
  python3 -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' || missing+=(python3-dev)
  [ ${#missing[@]} -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null; then
    say "please install the equivalents of these Debian packages: ${missing[*]}" >&2
    exit 1
  fi
  local as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  say "installing Debian packages: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
    >/dev/null
}

hash_of() { cat "$@" | sha256sum | cut -c1-16; }

install_python_environment() {
  local stamp
  stamp=.venv/.millrace-$(hash_of requirements-dev.txt <(python3 -c 'import sys; print(sys.version, sys.prefix)'))
  if [ -e "$stamp" ] && [ -x .venv/bin/python ]; then return 0; fi
  say "filling .venv"
  # Only another interpreter makes the environment useless; new versions of packages are installed over the old ones.
  local version='import sys; print(sys.version)'
  if [ "$(.venv/bin/python -c "$version" 2>/dev/null)" != "$(python3 -c "$version")" ]; then
    rm -rf .venv
    python3 -m venv .venv
  fi
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
  touch "$stamp"
}

install_node_modules() {
  local stamp
  stamp=node_modules/.millrace-$(hash_of package.json package-lock.json .npmrc)
  if [ -e "$stamp" ]; then return 0; fi
  say "installing node_modules"
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
  touch "$stamp"
}

install_debian_packages
install_python_environment
install_node_modules
