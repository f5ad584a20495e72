"""Tags of task jobs, with placeholders that each job fills."""

import string
from collections.abc import Mapping

from miniwdl_aws import names
from miniwdl_aws.tags import MAX_TAGS

PLACEHOLDERS = ("run", "run_key", "workflow", "call", "task", "attempt", "sample", "owner")
"""What stands in braces in a tag's value."""

MAX_KEY = 128


def check_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Refuse tags that no job can have.

    Raises:
        ValueError: with a clause that says what is wrong.
    """
    if len(tags) >= MAX_TAGS:
        raise ValueError(
            f"must be at most {MAX_TAGS - 1} tags, not {len(tags)}: a job has {MAX_TAGS}, of which "
            "one is ours"
        )
    for key, template in tags.items():
        if not 1 <= len(key) <= MAX_KEY or key.lower().startswith("aws:"):
            raise ValueError(
                f"has the key {key!r}; one has 1 to {MAX_KEY} characters and does not begin with "
                "aws:"
            )
        if names.tag_value(key) != key:
            raise ValueError(
                f"has the key {key!r}; one has letters, digits, spaces and + - = . _ : / @"
            )
        if key == names.PARENT_TAG:
            raise ValueError(f"has the key {key}, by which a run's jobs are found")
        _check_template(key, template)
    return dict(tags)


def _check_template(key: str, template: str) -> None:
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(template)]
    except ValueError as exc:
        raise ValueError(
            f"has braces in {key} that do not match ({exc}); write {{{{ for a brace"
        ) from None
    for field in fields:
        if field is not None and field not in PLACEHOLDERS:
            known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
            raise ValueError(f"has {{{field}}} in {key}, which is none of {known}")


def fill(tags: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """Fill placeholders and make the values legal; a tag that comes out empty is left out.

    >>> fill({"cost": "{workflow}/{sample}", "who": "{owner}"}, {"workflow": "w", "sample": "S#1"})
    {'cost': 'w/S_1'}
    """
    known = {name: values.get(name, "") for name in PLACEHOLDERS}
    filled = {key: names.tag_value(text.format_map(known)) for key, text in tags.items()}
    return {key: value for key, value in filled.items() if value}
