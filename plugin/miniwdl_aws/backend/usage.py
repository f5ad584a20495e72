"""What a task uses of CPU, memory and disk, as its own shell reads it from its cgroup.

The kernel keeps count for every container, so reading once at the end tells the CPU time and the
peak of the memory of the whole attempt. ``[log_task_usage] period`` has it read, and told in the
job's log, while the command runs.

The files are those of the Linux kernel's documentation, "Control Group v2" and "Control Groups
version 1" (memory, cpuacct, blkio). A cgroup in which others were at work before the command is not
the job's own: it tells nothing of it, as where there is no container. Neither does the root of all
cgroups, which has a ``release_agent`` (version 1) or no ``memory.current`` (version 2). Then the
CPU time is that of the command and what it has waited for, by ``/proc`` ("proc(5)"), and the memory
is not known.
"""

from pathlib import Path

CGROUP_ROOT = Path("/sys/fs/cgroup")
"""Where a container finds its own cgroup."""

OWN_PROCESSES = 4
"""How many processes a job's cgroup may hold as its script begins: the script's shell, an init
process before it, and what a container engine has helped it in with."""

BEGIN = f"""\
_mw_is_number() {{
  case $1 in '' | *[!0-9]*) return 1 ;; esac
}}
_mw_read() {{
  _mw_value=
  [ ! -r "$1" ] || read -r _mw_value <"$1" || :
  _mw_is_number "$_mw_value" || _mw_value=
}}
_mw_is_own() {{
  [ ! -e "$1/release_agent" ] || return 1
  _mw_count=0
  while read -r _mw_pid; do
    [ "$_mw_pid" != 0 ] || return 1
    _mw_count=$((_mw_count + 1))
  done <"$1/cgroup.procs"
  [ "$_mw_count" -ge 1 ] && [ "$_mw_count" -le {OWN_PROCESSES} ]
}}
_mw_version=
{{
  if [ -r "$_mw_cgroup/cgroup.controllers" ]; then
    if [ -r "$_mw_cgroup/memory.current" ] && _mw_is_own "$_mw_cgroup"; then
      _mw_version=2
      _mw_memory=$_mw_cgroup
      _mw_cpu=$_mw_cgroup
      _mw_disk=$_mw_cgroup
    fi
  elif _mw_is_own "$_mw_cgroup/memory" && _mw_is_own "$_mw_cgroup/cpuacct"; then
    _mw_version=1
    _mw_memory=$_mw_cgroup/memory
    _mw_cpu=$_mw_cgroup/cpuacct
    _mw_disk=$_mw_cgroup/blkio
  fi
}} 2>/dev/null
_mw_read_peak() {{
  case $_mw_version in
    1) _mw_read "$_mw_memory/memory.max_usage_in_bytes" ;;
    2) _mw_read "$_mw_memory/memory.peak" ;;
    *) _mw_value= ;;
  esac
}}
_mw_children() {{
  read -r _mw_value <"/proc/$$/stat" || return
  set -- ${{_mw_value##*) }}
  _mw_value=$(((${{14}} + ${{15}}) * 10000))
}}
_mw_read_cpu() {{
  _mw_value=
  case $_mw_version in
    1)
      _mw_read "$_mw_cpu/cpuacct.usage"
      [ -z "$_mw_value" ] || _mw_value=$((_mw_value / 1000))
      ;;
    2)
      while read -r _mw_name _mw_number; do
        [ "$_mw_name" != usage_usec ] || _mw_value=$_mw_number
      done <"$_mw_cpu/cpu.stat"
      ;;
    *) _mw_children ;;
  esac
  _mw_is_number "$_mw_value" || _mw_value=
}}"""
"""Finds the cgroup, and defines what reads it; it starts no process. CPU time is in microseconds;
``/proc`` counts it in hundredths of a second on all architectures of AWS ("time(7)")."""

END = """\
_mw_usage=
{
  _mw_read_peak
  [ -z "$_mw_value" ] || _mw_usage=", \\"peakMemoryBytes\\": $_mw_value"
  _mw_read_cpu
  [ -z "$_mw_value" ] || _mw_usage="$_mw_usage, \\"cpuMicroseconds\\": $_mw_value"
} 2>/dev/null"""
"""Leaves further members of ``exit.json`` in ``_mw_usage``."""

_LOG = """\
_mw_clock() {
  _mw_value=0
  read -r _mw_value _mw_rest </proc/uptime || :
  _mw_value=${_mw_value%.*}${_mw_value#*.}
  while [ "${_mw_value#0}" != "$_mw_value" ] && [ -n "${_mw_value#0}" ]; do
    _mw_value=${_mw_value#0}
  done
}
_mw_read_disk() {
  _mw_in=
  _mw_out=
  if [ "$_mw_version" = 2 ]; then
    _mw_each=$_mw_disk/io.stat
  else
    _mw_each=$_mw_disk/blkio.throttle.io_service_bytes
  fi
  [ -r "$_mw_each" ] || return 0
  while read -r _mw_device _mw_line; do
    set -- $_mw_line
    case $1 in
      Read) _mw_in=$((_mw_in + $2)) ;;
      Write) _mw_out=$((_mw_out + $2)) ;;
    esac
    for _mw_field; do
      case $_mw_field in
        rbytes=*) _mw_in=$((_mw_in + ${_mw_field#*=})) ;;
        wbytes=*) _mw_out=$((_mw_out + ${_mw_field#*=})) ;;
      esac
    done
  done <"$_mw_each"
}
_mw_log_usage() {
  _mw_clock
  _mw_now=$_mw_value
  _mw_read_cpu
  _mw_spent=${_mw_value:-0}
  _mw_passed=$((_mw_now - _mw_before))
  [ "$_mw_passed" -gt 0 ] || _mw_passed=1
  _mw_said=$(printf 'seconds: %d, cpu_seconds: %d.%02d, cpu_percent: %d' \\
    "$(((_mw_now - _mw_first) / 100))" "$((_mw_spent / 1000000))" \\
    "$((_mw_spent % 1000000 / 10000))" \\
    "$(((_mw_spent - _mw_spent_before) / 100 / _mw_passed))")
  _mw_before=$_mw_now
  _mw_spent_before=$_mw_spent
  case $_mw_version in
    1) _mw_read "$_mw_memory/memory.usage_in_bytes" ;;
    2) _mw_read "$_mw_memory/memory.current" ;;
  esac
  [ -z "$_mw_value" ] || _mw_said="$_mw_said, memory_bytes: $_mw_value"
  _mw_read_peak
  [ -z "$_mw_value" ] || _mw_said="$_mw_said, memory_peak_bytes: $_mw_value"
  _mw_read_disk
  [ -z "$_mw_in" ] || _mw_said="$_mw_said, read_bytes: $_mw_in"
  [ -z "$_mw_out" ] || _mw_said="$_mw_said, written_bytes: $_mw_out"
  printf 'task usage :: %s\\n' "$_mw_said" >&3
}
_mw_monitor=
if [ -n "$_mw_version" ]; then
  (
    trap '[ -z "$_mw_nap" ] || kill "$_mw_nap" 2>/dev/null; exit 0' TERM
    trap '' INT HUP
    _mw_nap=
    _mw_clock
    _mw_first=$_mw_value
    _mw_before=$_mw_value
    _mw_read_cpu
    _mw_spent_before=${_mw_value:-0}
    while :; do
      sleep "$_mw_period" 3>&- &
      _mw_nap=$!
      wait "$_mw_nap" || exit 0
      _mw_log_usage
    done
  ) 3>&2 >/dev/null 2>&1 &
  _mw_monitor=$!
else
  echo "miniwdl-aws: task usage is not logged, the job has no cgroup of its own" >&2
fi"""

STOP_LOG = """\
[ -z "$_mw_monitor" ] || kill -TERM "$_mw_monitor" 2>/dev/null"""
"""Ends what `log` has begun, and its pause with it."""

KILL_LOG = """\
if [ -n "$_mw_monitor" ]; then
  kill -KILL "$_mw_monitor"
  wait "$_mw_monitor"
fi 2>/dev/null"""
"""Ends it for good: a shell that has just been forked may lose a signal before it sets its trap."""


def log(period_seconds: float) -> str:
    """Write what tells a task's usage in the job's log, from the command's beginning to its end.

    The lines go to the job's log alone: the task's own standard error stays what it wrote.

    Args:
        period_seconds: the pause between two lines.
    """
    return f"_mw_period={period_seconds:g}\n{_LOG}"
