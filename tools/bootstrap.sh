#!/bin/sh
# Prepares the development environment from nothing but Python, make and git.
#
#   tools/bootstrap.sh env          .venv, exactly as constraints.txt pins it, with both packages editable
#   tools/bootstrap.sh venv DIRECTORY PINS [PROJECT]
#                                   an environment beside .venv, exactly as the file PINS says, with the directory
#                                   PROJECT editable
#   tools/bootstrap.sh constraints  renews constraints.txt, plugin/runner.txt (its part that the workflow image
#                                   installs) and tools/uv.txt from the two pyproject.toml files, and the pins of
#                                   foreign clients in tools/foreign
#   tools/bootstrap.sh containers   Podman, the shell of small images and aria2, for the tests that else are skipped
#   tools/bootstrap.sh clean        removes whatever the other commands and the tools made
#
# PYTHON names the interpreter (default: the first of python3.11, 3.12, 3.13, python3 that is new enough).
# UV names a uv executable (default: the one that tools/uv.txt pins, installed under .venv-uv).
# Package index, proxy and CA settings are the host's own: pip's and uv's files and variables are respected.
set -eu
cd "$(dirname "$0")/.."

venv=.venv
uv_venv=.venv-uv
registry=.registry

say() { printf '==> %s\n' "$*" >&2; }
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# --- system packages ---------------------------------------------------------------------------------

# Prints how to run a command as root, or fails where that is not possible without a password.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    echo env
  elif command -v sudo >/dev/null 2>&1 && sudo -n true >/dev/null 2>&1; then
    echo "sudo -n env"
  else
    return 1
  fi
}

# apt_install PACKAGE...: installs them, or says which command would.
apt_install() {
  command -v apt-get >/dev/null 2>&1 ||
    fail "This system has no apt-get: install what Debian calls $* and run the command again."
  root=$(as_root) ||
    fail "This user may not install packages. Run this, then the same command again: sudo apt-get install --no-install-recommends $*"
  say "installing $*"
  output=$(mktemp)
  # shellcheck disable=SC2086  # $root is a command with its arguments
  { $root apt-get update -qq &&
    $root DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } \
    >"$output" 2>&1 </dev/null || {
    cat "$output" >&2
    fail "apt-get could not install $* (its message is above)."
  }
  rm -f "$output"
}

# --- Python and uv -----------------------------------------------------------------------------------

new_enough() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# Prints the path of the interpreter to use.
find_python() {
  if [ -n "${PYTHON:-}" ]; then
    new_enough "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.11 or newer."
  fi
  for name in ${PYTHON:+"$PYTHON"} python3.11 python3.12 python3.13 python3; do
    if new_enough "$name"; then
      "$name" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  fail "No Python 3.11 or newer found as python3.11, python3.12, python3.13 or python3." \
    "Install one (Debian 12 and newer: sudo apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python3.11"
}

# need WHY PACKAGE...: notes system packages to install.
need() {
  say "$1"
  shift
  missing="$missing $*"
}

# mappy is compiled on the spot: that takes a C compiler and the headers of Python and zlib.
compiles_extensions() {
  probe=$(mktemp -d)
  printf '#include <Python.h>\n#include <zlib.h>\nint main(void) { return zlibVersion() == 0; }\n' >"$probe/probe.c"
  status=0
  cc -I"$include" "$probe/probe.c" -o "$probe/probe" -lz >/dev/null 2>&1 || status=1
  rm -rf "$probe"
  return "$status"
}

# Finds everything that is missing before it installs any, so that whoever must ask for packages asks once.
ensure_system_packages() {
  missing=
  python=$(find_python)
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  if [ "$(uname -s)" = Linux ] && ! { command -v unshare && command -v mount; } >/dev/null 2>&1; then
    need "unshare or mount is missing: the local AWS runs every job in a mount namespace of its own" util-linux mount
  fi
  # Debian keeps the part of the standard library that fills a virtual environment in a package of its own.
  if ! uv_is_there && ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    need "$python has no venv module" "python$version-venv"
  fi
  if ! "$venv/bin/python" -c 'import mappy' >/dev/null 2>&1; then
    include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    if ! compiles_extensions; then
      set -- gcc libc6-dev zlib1g-dev
      [ -e "$include/Python.h" ] || set -- "$@" "python$version-dev"
      need "no C compiler with the headers of Python and zlib: the example's aligner is compiled here" "$@"
    fi
  fi
  # shellcheck disable=SC2086  # $missing is a list
  [ -z "$missing" ] || apt_install $missing
  [ -z "${include:-}" ] || [ -e "$include/Python.h" ] ||
    fail "Python.h is missing from $include. Install the headers of $python, or name a Python that has them: make PYTHON=/path/to/python3.11"
}

uv_is_there() { [ -n "${UV:-}" ] || cmp -s tools/uv.txt "$uv_venv/installed.txt"; }

# Prints the path of uv; installs the pinned one if it is not there yet.
find_uv() {
  if [ -n "${UV:-}" ]; then
    command -v "$UV" || fail "UV=$UV is not an executable."
    return
  fi
  if ! uv_is_there; then
    python=$(find_python)
    say "installing uv"
    rm -rf "$uv_venv"
    "$python" -m venv "$uv_venv" >&2 || fail "$python could not make a virtual environment in $PWD/$uv_venv (its message is above)."
    PIP_USER=0 "$uv_venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r tools/uv.txt >&2 ||
      fail "pip could not install uv from its package index (its message is above). Check the network and pip's proxy, index and CA settings (pip config list), or name an installed uv: make UV=/path/to/uv"
    cp tools/uv.txt "$uv_venv/installed.txt"
  fi
  echo "$PWD/$uv_venv/bin/uv"
}

# uv does not read pip's settings; where it has none of its own, it gets pip's index and CA bundle.
inherit_pip_settings() {
  pip=$PWD/$uv_venv/bin/pip
  [ -x "$pip" ] || return 0
  pip_setting() {
    "$pip" config list 2>/dev/null | sed -n "s/^\(global\|install\|:env:\)\.$1='\(.*\)'\$/\2/p" | tail -n 1
  }
  if [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
    index=$(pip_setting index-url)
    [ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
  fi
  if [ -z "${SSL_CERT_FILE:-}" ]; then
    bundle=$(pip_setting cert)
    [ -z "$bundle" ] || export SSL_CERT_FILE="$bundle"
  fi
}

# --- commands ----------------------------------------------------------------------------------------

make_env() {
  ensure_system_packages
  uv=$(find_uv)
  inherit_pip_settings
  if ! "$venv/bin/python" -c '' >/dev/null 2>&1; then
    python=$(find_python)
    say "making $venv with $("$python" -V)"
    "$uv" venv -q --clear --python "$python" "$venv"
  fi
  say "installing what constraints.txt pins (a first time takes a minute or two)"
  "$uv" pip sync -q --python "$venv/bin/python" --require-hashes constraints.txt
  "$uv" pip install -q --python "$venv/bin/python" --no-deps --editable ./plugin --editable .
  touch "$venv/.ready"
}

make_venv() { # make_venv DIRECTORY PINS [PROJECT]
  uv=$(find_uv)
  inherit_pip_settings
  python=$(find_python)
  "$uv" venv -q --clear --python "$python" "$1"
  "$uv" pip sync -q --python "$1/bin/python" --require-hashes "$2"
  [ -z "${3:-}" ] || "$uv" pip install -q --python "$1/bin/python" --no-deps --editable "$3"
}

renew_constraints() {
  ensure_system_packages
  uv=$(find_uv)
  inherit_pip_settings
  compile() {
    "$uv" pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header "$@"
  }
  # shellcheck disable=SC2086  # COMPILE_ARGS is a list, e.g. --upgrade
  compile ${COMPILE_ARGS:-} pyproject.toml plugin/pyproject.toml --all-extras --group dev --no-emit-package miniwdl-aws -o constraints.txt
  compile plugin/pyproject.toml --extra runner --constraint constraints.txt -o plugin/runner.txt
  # shellcheck disable=SC2086
  echo uv | compile ${COMPILE_ARGS:-} - -o tools/uv.txt
  for client in tools/foreign/*.in; do
    # Versions that the output file has already are kept: they are those of constraints.txt wherever the client allows.
    cp constraints.txt "${client%.in}.txt"
    # This one carries a program in it; what it needs in Python is for another use of it.
    [ "$client" = tools/foreign/aws-cli-v2.in ] && set -- --no-deps || set --
    compile "$@" "$client" -o "${client%.in}.txt"
  done
}

# runc rather than the crun that Debian recommends, since it starts containers under hybrid cgroups too.
install_podman() {
  if ! { command -v podman && command -v catatonit && command -v debootstrap && command -v busybox && command -v aria2c; } >/dev/null 2>&1; then
    apt_install podman buildah runc catatonit debootstrap busybox aria2
  fi
  podman run --help >/dev/null || fail "podman is installed but does not run (its message is above)."
  unpack_registry
}

# A registry to push to, for the test of docs/workflow-image.md. The package is unpacked, not installed: installing it
# would start a service.
unpack_registry() {
  [ ! -x "$registry/usr/bin/docker-registry" ] || return 0
  say "unpacking a container registry"
  root=$(as_root) && $root apt-get update -qq >/dev/null 2>&1
  mkdir -p "$registry"
  (cd "$registry" && apt-get download -qq docker-registry && dpkg-deb -x docker-registry_*.deb . && rm -f ./*.deb) ||
    fail "apt-get could not download docker-registry (its message is above)."
}

clean() {
  rm -rf "$venv" "$uv_venv" "$registry" .environments .demo .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.* \
    build dist plugin/build plugin/dist
  find . -name __pycache__ -type d -prune -exec rm -rf {} +
}

case ${1:-} in
  env) make_env ;;
  venv)
    shift
    [ "$#" -ge 2 ] || fail "usage: tools/bootstrap.sh venv DIRECTORY PINS [PROJECT]"
    make_venv "$@"
    ;;
  constraints) renew_constraints ;;
  containers) install_podman ;;
  clean) clean ;;
  *) fail "usage: tools/bootstrap.sh env|venv|constraints|containers|clean" ;;
esac
