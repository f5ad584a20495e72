"""What makes a call the same call under another head of its run: its task and its inputs.

miniwdl hands both to task plugins, and not to container backends; this is the plugin that passes
their hash on.
"""

import hashlib
import json
import logging
from collections.abc import Generator
from pathlib import Path
from typing import Any

import WDL

from miniwdl_aws.backend import call_cache
from miniwdl_aws.environment import process_environment
from miniwdl_aws.heads import RunPlace, place_of


def remember_key(
    _cfg: Any,
    _logger: logging.Logger,
    run_id: list[str],
    _run_dir: str,
    task: Any,
    **recv: Any,
) -> Generator[dict[str, Any], dict[str, Any], None]:
    """Give each task's container the key of its call, and why the call cache had nothing for it.

    The key tells the content of inputs on S3 too, where the call cache has asked for it
    (`staging.call_cache`): what has changed since is another call.

    A task plugin of miniwdl's (group ``task``): it is called once the cache has been asked, on the
    same thread.
    """
    miss = call_cache.last_miss(run_id[-1])
    place = place_of(process_environment())
    content = call_cache.last_content()
    key = call_key(task, recv["inputs"], place, content) if place else ""
    recv = yield recv
    recv["container"].call_key = key
    recv["container"].cache_miss = miss
    recv = yield recv
    yield recv


def call_key(task: Any, inputs: Any, place: RunPlace, s3_content: str = "") -> str:
    """Hash a call's task and inputs, so that every head of the run gives the same.

    Paths in the run directory are told by what they are below the directory of whichever head
    wrote them. A file that the workflow itself wrote (``write_lines()`` and the like) has a name
    by chance, and is told by its content.

    Args:
        task: the task, as miniwdl has parsed it.
        inputs: its inputs.
        place: where the head works.
        s3_content: what stands for the content of inputs on S3; empty if there are none.
    """
    named = WDL.Value.rewrite_env_paths(inputs, lambda value: _name(value.value, place))
    content = {
        "task": task.name,
        "digest": task.digest,
        "inputs": WDL.values_to_json(named),
        **({"s3_content": s3_content} if s3_content else {}),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _name(path: str, place: RunPlace) -> str:
    relative = place.relative(Path(path)) if path.startswith("/") else None
    if relative is None:
        return path
    if relative.parent.name == "write_":
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        return f"/run/{relative.parent}/{digest}"
    return f"/run/{relative}"
