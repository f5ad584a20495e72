"""The values behind ``secrets`` in container properties."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from miniwdl_aws.environment import without
from miniwdl_aws.local.execution.spawner import StartError
from miniwdl_aws.local.services import moto_locks
from miniwdl_aws.local.settings import ACCOUNT_ID

# As in moto_services: moto makes boto3 sessions as it is imported.
with without("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
    from moto.core.exceptions import JsonRESTError
    from moto.secretsmanager.models import secretsmanager_backends
    from moto.ssm.models import ssm_backends

_SECRET_ARN_PARTS = 7
_RETRIEVAL_FAILED = "execution resource retrieval failed: unable to retrieve"


@dataclass(frozen=True)
class SecretReference:
    """A ``valueFrom`` that names a secret of Secrets Manager.

    Attributes:
        arn: the secret's ARN.
        json_key: the member of a JSON secret; empty for the whole text.
        version_stage: such as ``AWSPREVIOUS``; empty for the current version.
        version_id: the version's id; empty for the current version.
    """

    arn: str
    json_key: str = ""
    version_stage: str = ""
    version_id: str = ""


def parse_secret(value_from: str) -> SecretReference | None:
    """Take a ``valueFrom`` apart; None if it names no secret of Secrets Manager.

    The form is ``ARN[:json-key:version-stage:version-id]``, each of the last three possibly empty
    (AWS Batch user guide, "Specify sensitive data with Secrets Manager").

    >>> parse_secret("arn:aws:secretsmanager:us-west-2:123456789012:secret:db-Ab12Cd:u::").json_key
    'u'
    """
    parts = value_from.split(":")
    if parts[0] != "arn" or parts[2:3] != ["secretsmanager"]:
        return None
    arn, suffix = parts[:_SECRET_ARN_PARTS], parts[_SECRET_ARN_PARTS:]
    return SecretReference(":".join(arn), *suffix[:3])


class SecretStore:
    """Finds the values of secrets in moto's Secrets Manager and Parameter Store.

    Args:
        region: where names of parameters without an ARN are looked up.
    """

    def __init__(self, region: str) -> None:
        self._region = region

    def values(self, secrets: Iterable[Mapping[str, str]]) -> dict[str, str]:
        """Return the environment variables that ``secrets`` of container properties stand for.

        Raises:
            StartError: a value cannot be had; the message says which and why, and shows none.
        """
        with moto_locks.SECRETS:
            return {entry["name"]: self._value(entry["valueFrom"]) for entry in secrets}

    def _value(self, value_from: str) -> str:
        reference = parse_secret(value_from)
        return self._parameter(value_from) if reference is None else self._secret(reference)

    def _secret(self, reference: SecretReference) -> str:
        region = reference.arn.split(":")[3]
        try:
            answer: Any = secretsmanager_backends[ACCOUNT_ID][region].get_secret_value(
                reference.arn,
                reference.version_id or None,  # type: ignore[arg-type] # moto's own caller does it
                reference.version_stage or None,  # type: ignore[arg-type] # as above
            )
        except JsonRESTError as error:
            raise _secret_error(reference, f"{error.error_type}: {error.message}") from error
        text = answer.get("SecretString")
        if text is None:
            raise _secret_error(reference, "the secret has no text (SecretString)")
        return _member(reference, text) if reference.json_key else str(text)

    def _parameter(self, name: str) -> str:
        region = name.split(":")[3] if name.startswith("arn:") else self._region
        found = ssm_backends[ACCOUNT_ID][region].get_parameters([name]).get(name)
        value = found.decrypt(found.value) if found else None
        if value is None:
            raise StartError(
                "secrets", f"{_RETRIEVAL_FAILED} secrets from ssm: Invalid ssm parameters: {name}"
            )
        return value


def _member(reference: SecretReference, text: str) -> str:
    try:
        value = json.loads(text)[reference.json_key]
    except (ValueError, TypeError, KeyError):  # no JSON, no object, no such key
        raise _secret_error(
            reference,
            f"retrieved secret from Secrets Manager did not contain json key {reference.json_key}",
        ) from None  # a parser's error would show the text
    return value if isinstance(value, str) else json.dumps(value)


def _secret_error(reference: SecretReference, problem: str) -> StartError:
    return StartError(
        "secrets",
        f"{_RETRIEVAL_FAILED} secret from asm: failed to fetch secret {reference.arn} from "
        f"secrets manager: {problem}",
    )
