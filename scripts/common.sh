# shellcheck shell=bash
# Sourced by the scripts beside it: where things are, numbered steps, quiet commands.
# The sourcing script has `set -euo pipefail`.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD_ROOT=${BACKPLANE_BUILD_ROOT:-$ROOT/build} # CMake presets build below $ROOT/build; tests may log elsewhere
LOG_DIR=$BUILD_ROOT/log

# Whether standard error can redraw a line and show colour.
if [[ -t 2 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
  BOLD=$'\e[1m' PLAIN=$'\e[0m'
else
  BOLD='' PLAIN=''
fi

STEP=0
STEPS=${STEPS:-0}

say() { printf '%s\n' "$*" >&2; }
fail() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# step TEXT: announces the next of $STEPS steps.
step() {
  STEP=$((STEP + 1))
  say "${BOLD}${STEP}/${STEPS} $*${PLAIN}"
}

# quietly NAME COMMAND...: runs a command with its output in $LOG_DIR/NAME.log. Tells every few seconds how
# far it got; shows the end of the log and returns the command's code when it fails.
quietly() {
  local name=$1 log=$LOG_DIR/$1.log began=$SECONDS code=0
  shift
  mkdir -p "$LOG_DIR"
  "$@" >"$log" 2>&1 </dev/null &
  local job=$!
  watch_log "$job" "$log" "$began"
  wait "$job" || code=$?
  if ((code != 0)); then
    say "    failed after $((SECONDS - began)) s; the end of $log:"
    tail -n 60 "$log" >&2
    return "$code"
  fi
  say "    $name: $((SECONDS - began)) s"
}

# watch_log JOB LOG BEGAN: tells the last "[12/340]" of a build now and then while the job runs. On a
# terminal it redraws one line, elsewhere it adds a line every half minute.
watch_log() {
  local job=$1 log=$2 began=$3 told=$SECONDS progress
  while kill -0 "$job" 2>/dev/null; do
    sleep 0.2
    progress=$(tail -c 2000 "$log" | grep -aoE '\[[0-9]+/[0-9]+\]|^ *[0-9]+/[0-9]+ Test' | tail -n 1 || true)
    if [[ -n $BOLD ]]; then
      printf '\r    %s %s s \e[K' "$progress" "$((SECONDS - began))" >&2
    elif ((SECONDS - told >= 30)); then
      say "    ${progress:-running} $((SECONDS - began)) s"
      told=$SECONDS
    fi
  done
  if [[ -n $BOLD ]]; then printf '\r\e[K' >&2; fi
}

# configure PRESET [CMAKE ARGUMENTS]: CMake's first step; quick when nothing changed.
configure() {
  local preset=$1
  shift
  quietly "configure-$preset" cmake -S "$ROOT" --preset "$preset" "$@"
}

# build PRESET [TARGET...]: all targets when none is named.
build() {
  local preset=$1
  shift
  if (($# > 0)); then
    quietly "build-$preset" cmake --build "$ROOT/build/$preset" --target "$@"
  else
    quietly "build-$preset" cmake --build "$ROOT/build/$preset"
  fi
}
