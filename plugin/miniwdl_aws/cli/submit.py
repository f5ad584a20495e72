"""``miniwdl-aws-submit``: submit a WDL workflow to AWS Batch, and wait for it if asked to.

The job id alone goes to standard output; everything for people goes to standard error.
"""

import getpass
import json
import logging
import sys
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from miniwdl_aws.cli.submit_options import misspelled, submit_parser
from miniwdl_aws.cli.waiting import INTERRUPTED, conclude, say, wait_for
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.environment import process_environment
from miniwdl_aws.errors import MiniwdlAwsError
from miniwdl_aws.plan import Plan, as_document
from miniwdl_aws.settings import arguments_layer, environment_layer
from miniwdl_aws.submission import prepare
from miniwdl_aws.submit import submit
from miniwdl_aws.variables import doubtful_variables


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    parser = submit_parser()
    arguments, passed = parser.parse_known_args(argv)
    if not passed:
        parser.error("name a WDL source: a file, an s3:// URI, a web address or a path in a job")
    verbose = arguments.follow or "--verbose" in passed or "--debug" in passed
    logging.basicConfig(format="%(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("miniwdl_aws").setLevel(logging.INFO if verbose else logging.WARNING)
    try:
        sys.exit(run(vars(arguments), passed, process_environment()))
    except MiniwdlAwsError as exc:
        say(f"miniwdl-aws-submit: {exc}")
        for sentence in misspelled(parser, passed):
            say(sentence)
        sys.exit(exc.process_exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


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
    if not (options["wait"] or options["follow"]):
        return 0
    ended = wait_for(clients, submission.job_id, on_line=say if options["follow"] else None)
    return INTERRUPTED if ended is None else conclude(clients, ended)


def _plan(
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
