"""``miniwdl-aws-submit``: submit a WDL workflow to AWS Batch, and wait for it if asked to.

The job id alone goes to standard output; everything for people goes to standard error.
"""

import getpass
import json
import logging
import os
import sys
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from miniwdl_aws.cli import runs
from miniwdl_aws.cli.submit_options import misspelled, submit_parser
from miniwdl_aws.cli.waiting import INTERRUPTED, Ended, conclude, say, wait_for
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.environment import process_environment
from miniwdl_aws.errors import MiniwdlAwsError
from miniwdl_aws.plan import Plan, as_document, published_by
from miniwdl_aws.self_test import RETRY_WAIT, check_self_test, self_test_arguments
from miniwdl_aws.settings import arguments_layer, environment_layer
from miniwdl_aws.submission import prepare
from miniwdl_aws.submit import submit
from miniwdl_aws.variables import doubtful_variables

BROKEN_PIPE = 141
"""The exit code of a program that SIGPIPE ended, as shells have it."""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    given = sys.argv[1:] if argv is None else argv
    logging.basicConfig(format="%(levelname)s %(message)s", stream=sys.stderr)
    try:
        sys.exit(runs.main(given) if runs.is_about_a_run(given) else _submit(given))
    except MiniwdlAwsError as exc:
        say(f"miniwdl-aws-submit: {exc}")
        for sentence in getattr(exc, "__notes__", ()):
            say(sentence)
        sys.exit(exc.process_exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read the output has seen enough, such as `head`.
        os._exit(BROKEN_PIPE)


def _submit(argv: Sequence[str]) -> int:
    parser = submit_parser()
    arguments, passed = parser.parse_known_args(argv)
    if not passed and not arguments.self_test:
        parser.error("name a WDL source: a file, an s3:// URI, a web address or a path in a job")
    verbose = arguments.follow or "--verbose" in passed or "--debug" in passed
    logging.getLogger("miniwdl_aws").setLevel(logging.INFO if verbose else logging.WARNING)
    try:
        return run(vars(arguments), passed, process_environment())
    except MiniwdlAwsError as exc:
        for sentence in misspelled(parser, passed):
            exc.add_note(sentence)
        raise


def run(options: Mapping[str, Any], passed: Sequence[str], environ: Mapping[str, str]) -> int:
    """Submit, and wait if asked to.

    Args:
        options: the parsed flags.
        passed: the arguments of ``miniwdl run``.
        environ: the process's environment.

    Returns:
        The exit code: 0, or with ``--wait`` that of the workflow job.
    """
    for sentence in doubtful_variables(environ):
        say(f"warning: {sentence}")
    clients = AwsClients(region=options["region"])
    plan = _plan(clients, options, passed, environ)
    if options["dry_run"]:
        print(json.dumps(as_document(plan), indent=2))
        return 0
    submission = submit(clients, plan)
    print(submission.job_id, flush=True)
    if submission.adopted:
        say(f"job {submission.job_id} runs for this run key already; nothing was submitted")
    if not (options["wait"] or options["follow"] or options["self_test"]):
        return 0
    ended = wait_for(clients, submission.job_id, on_line=say if options["follow"] else None)
    if ended is None:
        return INTERRUPTED
    code = conclude(clients, ended)
    return _say_checks(ended, plan) if options["self_test"] and code == 0 else code


def _say_checks(ended: Ended, plan: Plan) -> int:
    status, outcome = ended
    if outcome is None:
        say(f"FAILED  job {status.job_id} succeeded, but its log does not tell its outcome")
        return 1
    checks = check_self_test(status.job_id, outcome, s3upload=published_by(plan))
    for check in checks:
        say(f"{'ok    ' if check.works else 'FAILED'}  {check.sentence}")
    return 0 if all(check.works for check in checks) else 1


def _plan(
    clients: AwsClients,
    options: Mapping[str, Any],
    passed: Sequence[str],
    environ: Mapping[str, str],
) -> Plan:
    if not options["self_test"]:
        return _prepared(clients, options, passed, environ)
    name, value = RETRY_WAIT
    with self_test_arguments(passed) as arguments:
        return _prepared(clients, options, arguments, {name: value, **environ})


def _prepared(
    clients: AwsClients,
    options: Mapping[str, Any],
    passed: Sequence[str],
    environ: Mapping[str, str],
) -> Plan:
    return prepare(
        clients,
        [arguments_layer(options, flags=True), environment_layer(environ)],
        environ,
        passed,
        run_key=options["run_key"] or f"cli/{uuid.uuid4()}",
        name=options["name"],
        owner=_user(),
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return ""


if __name__ == "__main__":
    main()
