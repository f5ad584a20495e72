"""The shell script that a task job runs: it holds what would not fit into a request.

It needs a POSIX shell and the usual utilities (GNU's or BusyBox's), and keeps four promises:

1. Standard output and error are complete in their files, and both in the job's log, when the
   job ends: two ``tee`` read them through named pipes and are waited for.
2. The command's exit code is the job's.
3. SIGTERM reaches the command, which may end its work, while its last words are still read.
4. Once all that is done, and nothing is left to write, it tells of the end (`sentinel`).

A process that the command leaves behind may hold the pipes open; it is not waited for longer than
`DRAIN_SECONDS`, and a second when the job is being terminated. Where named pipes or ``tee`` cannot
be had, the files are written directly and copied to the log in the end.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from miniwdl_aws.backend import usage
from miniwdl_aws.backend.files import AttemptFiles
from miniwdl_aws.backend.sentinel import Mailbox
from miniwdl_aws.errors import InvalidInputError

DRAIN_SECONDS = 5
"""How long output is read after the command has ended and others still hold it open."""

SETTLE_SECONDS = 90
"""How long an NFS client may show the work directory of an earlier attempt; directory entries
are cached for 60 s at most (Linux manual, "nfs(5)", acdirmax)."""


@dataclass(frozen=True, kw_only=True)
class TaskScript:
    """What the script of an attempt needs to know; all paths as every job sees them.

    Attributes:
        files: where the attempt's files lie, as every job sees them.
        shell: what interprets the command, with options.
        environment: variables that did not fit into the request.
        sync: whether to flush all files before the end.
        mailbox: where to leave signs of its beginning and end.
        usage_period_seconds: how often to tell in the job's log what the command uses; 0 is never.
        cgroup: where the container finds its cgroup.
    """

    files: AttemptFiles
    mailbox: Mailbox
    shell: str = "/bin/bash"
    environment: Mapping[str, str] = field(default_factory=dict)
    sync: bool = False
    usage_period_seconds: float = 0.0
    cgroup: Path = usage.CGROUP_ROOT


def render(script: TaskScript) -> str:
    """Write the script."""
    files, period = script.files, script.usage_period_seconds
    values = {
        "work": files.task_dir / "work",
        "attempt": files.work_dir,
        "command": files.command,
        "stdout": files.stdout,
        "stderr": files.stderr,
        "exit": files.exit,
        "sign_began": script.mailbox.began,
        "sign_ended": script.mailbox.ended,
        "cgroup": script.cgroup,
    }
    lines = [
        "#!/bin/sh",
        *(f"_mw_{name}={shlex.quote(str(path))}" for name, path in values.items()),
        *exports(script.environment),
        _BEGIN,
        usage.BEGIN,
        _SETTLE if files.attempt > 1 else "",
        'cd "$_mw_work" || exit 1',
        f"set -- {' '.join(shlex.quote(word) for word in shlex.split(script.shell))}",
        _RUN,
        usage.log(period) if period else "",
        _WAIT,
        usage.STOP_LOG if period else "",
        _DRAIN,
        usage.KILL_LOG if period else "",
        _SYNC if script.sync else "",
        usage.END,
        _TELL,
        'exit "$_mw_command_code"',
    ]
    return "\n".join(line for line in lines if line) + "\n"


def exports(environment: Mapping[str, str]) -> list[str]:
    """Write variables as shell commands.

    Raises:
        InvalidInputError: a name is none that a shell can export.
    """
    for name in environment:
        if not (name.isascii() and name.isidentifier()):
            raise InvalidInputError(
                f"the environment variable {name!r} cannot be set by a shell, and the variables "
                "of this task are too large to be set by AWS Batch; rename it"
            )
    return [f"export {name}={shlex.quote(value)}" for name, value in sorted(environment.items())]


_BEGIN = """\
_mw_began=$(date +%s 2>/dev/null) || _mw_began=0
(: >"$_mw_sign_began") 2>/dev/null"""

_SETTLE = f"""\
_mw_waited=0
until [ "$_mw_work" -ef "$_mw_attempt" ] || [ "$_mw_waited" -ge {SETTLE_SECONDS} ]; do
  _mw_waited=$((_mw_waited + 1))
  sleep 1
done"""

_RUN = """\
_mw_child=
_mw_stop=
trap '_mw_stop=1; [ -z "$_mw_child" ] || kill -TERM "$_mw_child" 2>/dev/null' TERM INT HUP
if ! command -v "$1" >/dev/null 2>&1; then
  echo "miniwdl-aws: the image has no $1; the command runs under /bin/sh" >&2
  set -- /bin/sh
fi
_mw_pipes=
if command -v tee >/dev/null 2>&1; then
  _mw_pipes=${TMPDIR:-/tmp}/miniwdl-aws.${AWS_BATCH_JOB_ID-}.$$
  if ! mkfifo -m 600 "$_mw_pipes.out" "$_mw_pipes.err" 2>/dev/null; then
    rm -f "$_mw_pipes.out" "$_mw_pipes.err"
    _mw_pipes=
  fi
fi
if [ -n "$_mw_pipes" ]; then
  (trap '' TERM INT HUP; exec tee -a "$_mw_stdout") <"$_mw_pipes.out" &
  _mw_out=$!
  (trap '' TERM INT HUP; exec tee -a "$_mw_stderr" >&2) <"$_mw_pipes.err" &
  _mw_err=$!
  "$@" "$_mw_command" >"$_mw_pipes.out" 2>"$_mw_pipes.err" &
else
  "$@" "$_mw_command" >>"$_mw_stdout" 2>>"$_mw_stderr" &
fi
_mw_child=$!
[ -z "$_mw_stop" ] || kill -TERM "$_mw_child" 2>/dev/null"""

_WAIT = """\
_mw_await() {
  wait "$1"
  _mw_code=$?
  while [ "$_mw_code" -gt 128 ] && kill -0 "$1" 2>/dev/null; do
    wait "$1"
    _mw_code=$?
  done
}
_mw_await "$_mw_child"
_mw_command_code=$_mw_code"""

_DRAIN = f"""\
if [ -n "$_mw_pipes" ]; then
  (
    trap 'kill "$_mw_nap" 2>/dev/null; exit' TERM
    sleep "${{_mw_stop:-{DRAIN_SECONDS}}}" &
    _mw_nap=$!
    wait "$_mw_nap"
    kill -KILL "$_mw_out" "$_mw_err"
  ) >/dev/null 2>&1 &
  _mw_guard=$!
  {{
    _mw_await "$_mw_out"
    _mw_await "$_mw_err"
  }} 2>/dev/null
  kill -TERM "$_mw_guard" 2>/dev/null
  rm -f "$_mw_pipes.out" "$_mw_pipes.err"
else
  cat "$_mw_stdout"
  cat "$_mw_stderr" >&2
fi"""

_SYNC = """\
find . -type f -exec sync {} +
sync "$_mw_stdout" "$_mw_stderr\""""

_TELL = """\
_mw_ended=$(date +%s 2>/dev/null) || _mw_ended=0
{
  printf '{"jobId": "%s", "exitCode": %s, "signalled": %s, "startedAt": %s, "stoppedAt": %s%s}\\n' \
    "${AWS_BATCH_JOB_ID-}" "$_mw_command_code" "${_mw_stop:-0}" "$_mw_began" "$_mw_ended" \
    "$_mw_usage" \
    >"$_mw_exit" &&
    { ln -f "$_mw_exit" "$_mw_sign_ended" || {
      cat "$_mw_exit" >"$_mw_sign_ended.new" && mv -f "$_mw_sign_ended.new" "$_mw_sign_ended"; }; }
} 2>/dev/null"""
