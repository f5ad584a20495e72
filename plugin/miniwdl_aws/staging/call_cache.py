"""miniwdl's call cache, for inputs on S3 that may change.

miniwdl knows a call by the URIs of its inputs, whatever lies there. Here it is known by what lies
there too: a changed object makes another call. The content is told by the ETag, so a call that is
known costs a request for each URI, and no download.
"""

import hashlib
import logging
from pathlib import Path
from typing import Any

import WDL
from WDL.runtime.cache import CallCacheAddPaths

from miniwdl_aws.backend.call_cache import ExplainedCallCache, Miss, note_content, note_miss
from miniwdl_aws.backend.turns import TURNS
from miniwdl_aws.errors import MiniwdlAwsError
from miniwdl_aws.staging.objects import digest
from miniwdl_aws.staging.settings import SCHEME, read_settings, stages
from miniwdl_aws.staging.stager import open_stager

Uri = tuple[str, bool]
"""A URI, and whether it is a directory's."""


class ContentCallCache(ExplainedCallCache):
    """The call cache in a folder (miniwdl's plugin group ``cache_backend``)."""

    def __init__(self, cfg: Any, logger: logging.Logger) -> None:
        super().__init__(cfg, logger)
        self._own = stages(cfg)
        self._digests: dict[Uri, str] = {}

    def get(self, key: str, inputs: Any, output_types: Any) -> Any:
        """Find the outputs of a call; None where an input on S3 cannot be asked for.

        The content of inputs on S3 is asked for even if no outputs are to be had: a later head of
        the run knows the call by it. The stager asks for none of them again.
        """
        try:
            content_key = self._key(key, inputs)
        except MiniwdlAwsError as exc:
            if self._enabled:
                self._logger.warning("call cache miss: %s", exc)
                note_content("")
                note_miss(Miss(reason="content_unknown"))
                return None
            content_key = key
        note_content(content_key.removeprefix(key))
        if not self._enabled:
            return super().get(key, inputs, output_types)
        found = super().get(content_key, inputs, output_types)
        # miniwdl asks for them by its own key.
        self._entry_add_paths[key] = self.get_add_paths(content_key)
        return found

    def put(
        self,
        key: str,
        outputs: Any,
        run_dir: str | None = None,
        *,
        inputs: Any,
        add_paths: CallCacheAddPaths,
    ) -> None:
        """Remember the outputs of a call."""
        self._entry_add_paths[key] = add_paths.copy()
        try:
            content_key = self._key(key, inputs)
        except MiniwdlAwsError as exc:
            self._logger.warning("the call is not cached: %s", exc)
            return
        super().put(content_key, outputs, run_dir, inputs=inputs, add_paths=add_paths)

    def download_path(self, uri: str, directory: bool = False) -> str | None:  # noqa: FBT001, FBT002  (miniwdl's signature)
        """Tell where miniwdl keeps a download by its URI: nowhere, if it is kept by its content."""
        if self._own and uri.startswith(SCHEME):
            return None
        found: str | None = super().download_path(uri, directory)
        return found

    def memo_download(self, uri: str, filename: str, directory: bool = False) -> None:  # noqa: FBT001, FBT002  (miniwdl's signature)
        """Remember a download of this run, and which content it was."""
        super().memo_download(uri, filename, directory)
        if self._own and uri.startswith(SCHEME):
            self._digests.setdefault((uri.rstrip("/"), directory), Path(filename).parent.name)

    def _key(self, key: str, inputs: Any) -> str:
        """Add to a key what stands for the content of all inputs on S3, if there are any."""
        uris = _uris(inputs) if self._own else []
        if not uris:
            return key
        unknown = [each for each in uris if (each[0].rstrip("/"), each[1]) not in self._digests]
        if unknown:
            stager = open_stager(read_settings(self._cfg))
            with TURNS.aside():
                seen = stager.look_at_all(unknown)
            for (uri, directory), content in zip(unknown, seen, strict=True):
                self._digests.setdefault((uri.rstrip("/"), directory), digest(content))
        known = [self._digests[uri.rstrip("/"), directory] for uri, directory in uris]
        return f"{key}-{hashlib.sha256(' '.join(known).encode()).hexdigest()[:32]}"


def _uris(inputs: Any) -> list[Uri]:
    found: set[Uri] = set()

    def see(value: Any) -> str:
        if value.value.startswith(SCHEME):
            found.add((value.value, isinstance(value, WDL.Value.Directory)))
        return str(value.value)

    WDL.Value.rewrite_env_paths(inputs, see)
    return sorted(found)
