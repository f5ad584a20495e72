"""Cost tags: what their placeholders stand for, and how they reach the task jobs."""

import json
import re
from collections.abc import Mapping

from miniwdl_aws import names
from miniwdl_aws.errors import ConfigurationError

JOB_TAGS_VARIABLE = "MINIWDL__AWS__JOB_TAGS"
"""The backend's ``[aws] job_tags``: a JSON object, tags of every task job."""

MAX_TAGS = 50
"""Tags of a resource (AWS Batch user guide, "Tag your AWS Batch resources")."""

OWN_TAGS = 3
"""Tags of a workflow job by which we find it again."""

CALL_PLACEHOLDERS = frozenset({"call", "task", "attempt"})
"""What only a task job can fill in; the backend does (`backend.tags.PLACEHOLDERS`)."""

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def fill_tags(tags: Mapping[str, str], facts: Mapping[str, str]) -> dict[str, str]:
    """Put the facts of a run in the place of ``{run}``, ``{workflow}``, ``{sample}``, ``{owner}``.

    Tags that speak of a call are left out: a workflow job has none.

    >>> fill_tags({"sample": "{sample}", "lab": "virology"}, {"sample": "S 1"})
    {'sample': 'S 1', 'lab': 'virology'}

    Raises:
        ConfigurationError: a placeholder stands for nothing, or there are too many tags.
    """
    if len(tags) > MAX_TAGS - OWN_TAGS:
        raise ConfigurationError(
            "tags",
            f"are {len(tags)}, and a job has at most {MAX_TAGS} of which {OWN_TAGS} are ours",
            remedy="Leave some out.",
        )
    return {
        key: names.tag_value(_filled(key, value, facts))
        for key, value in tags.items()
        if not _is_of_calls(value)
    }


def fill_call_tags(tags: Mapping[str, str], facts: Mapping[str, str]) -> dict[str, str]:
    """Fill the tags that speak of a call as far as the run goes; the backend fills in the rest.

    >>> fill_call_tags({"what": "{sample}/{call}", "lab": "virology"}, {"sample": "S{1}"})
    {'what': 'S_1_/{call}'}
    """
    legal = {name: names.tag_value(fact) for name, fact in facts.items()}
    later = {name: f"{{{name}}}" for name in CALL_PLACEHOLDERS}
    return {
        key: _filled(key, value, {**legal, **later})
        for key, value in tags.items()
        if _is_of_calls(value)
    }


def merged_tags(given: str, tags: Mapping[str, str]) -> str:
    """Add tags to ``[aws] job_tags`` as somebody wrote it; what stands there already stays.

    Raises:
        ConfigurationError: it is no JSON object.
    """
    try:
        content = json.loads(given)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise ConfigurationError(
            "job_tags",
            "must be a JSON object of keys and values",
            value=given,
            source=f"environment variable {JOB_TAGS_VARIABLE}",
            remedy="Correct it there.",
        )
    return json.dumps({**tags, **content}, sort_keys=True)


def _is_of_calls(value: str) -> bool:
    return bool(CALL_PLACEHOLDERS.intersection(_PLACEHOLDER.findall(value)))


def _filled(key: str, value: str, facts: Mapping[str, str]) -> str:
    def fact(match: re.Match[str]) -> str:
        if match[1] not in facts:
            known = ", ".join(f"{{{name}}}" for name in sorted(facts))
            raise ConfigurationError(
                "tags",
                f"of {key} holds {match[0]}, and this run has none",
                value=value,
                remedy=f"This run has {known}.",
            )
        return facts[match[1]]

    return _PLACEHOLDER.sub(fact, value)
