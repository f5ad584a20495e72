"""From what a person gave to the plan of a run; the operator and the command line share it."""

import functools
from collections.abc import Iterable, Mapping, Sequence

from miniwdl_aws.clients import AwsClients
from miniwdl_aws.discover import discover
from miniwdl_aws.packing import PackedRun, Surroundings, pack
from miniwdl_aws.plan import JobRequest, Plan, plan, workflow_command
from miniwdl_aws.s3 import parse_uri, read_object
from miniwdl_aws.settings import Layer
from miniwdl_aws.shared import SharedFileSystem
from miniwdl_aws.studio import detect_studio, home_here


def prepare(
    clients: AwsClients,
    layers: Iterable[Layer],
    environ: Mapping[str, str],
    arguments: Sequence[str],
    *,
    run_key: str,
    generation: str = "1",
    name: str | None = None,
    owner: str = "",
) -> Plan:
    """Check everything that can be checked before a job is submitted, and plan it.

    Args:
        clients: where to ask AWS.
        layers: the settings given as arguments, environment and connection, in that order.
        environ: the submitter's environment.
        arguments: those of ``miniwdl run``: WDL source, inputs, options.
        run_key: what the run is for; runs of one key are never run twice at a time.
        generation: which deliberate repetition of the run key this is.
        name: the job's name for people; the WDL file's if not given.
        owner: whose run it is, for cost tags.

    Raises:
        ConfigurationError: a setting is missing, wrong, or names what does not exist.
        InvalidInputError: the WDL source or the inputs cannot be run.
        AwsError: AWS could not be asked.
    """
    studio = detect_studio(clients, environ)
    settings = discover(clients, layers, environ, studio=studio)
    around = Surroundings(
        shared=SharedFileSystem(settings.mount, home_here(clients, studio, settings.fsap)),
        read_object=functools.partial(_read_object, clients),
        environ=environ,
        secrets=settings.secrets,
    )
    packed = pack(arguments, around)
    request = JobRequest(
        name=name or packed.name,
        command=workflow_command(settings, packed.arguments),
        run_key=run_key,
        generation=generation,
        bundle=packed.bundle,
        facts=_facts(packed, owner),
    )
    return plan(settings, request)


def _facts(packed: PackedRun, owner: str) -> dict[str, str]:
    facts = {"workflow": packed.name, "sample": packed.sample, "owner": owner}
    return {name: fact for name, fact in facts.items() if fact}


def _read_object(clients: AwsClients, uri: str) -> bytes:
    return read_object(clients, *parse_uri(uri))
