"""How large the workflow image is as it is pulled: most of a Fargate job's start is that."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.judgement import Row
from tools.engines import Engine, EngineFailedError, find_engine

TARGET_MB = 120.0
BASE_VARIABLE = "MINIWDL_AWS_TEST_BASE_IMAGE"
"""Names a base that the engine has, where it cannot pull the Dockerfile's own."""

TAG = "localhost/miniwdl-aws-benchmark"


def measure(base: str | None = None) -> float:
    """Build the image, and give its size in MB (10^6 bytes), all layers together, compressed.

    Args:
        base: the base image; that of `BASE_VARIABLE`, or the Dockerfile's own if not given.

    Raises:
        BenchmarkError: there is no engine, or the image cannot be built.
    """
    with tempfile.TemporaryDirectory(prefix="miniwdl-aws-image-") as folder:
        engine = find_engine(Path(folder))
        if engine is None:
            raise BenchmarkError(
                "neither podman nor docker works here; `make containers` installs Podman on Debian"
            )
        try:
            return _built(engine, base or os.environ.get(BASE_VARIABLE), Path(folder)) / 1e6
        except EngineFailedError as exc:
            raise BenchmarkError(
                f"the image cannot be built; name a base image with {BASE_VARIABLE} if the engine "
                f"cannot pull the Dockerfile's own: {exc}"
            ) from exc


def rows(megabytes: float) -> list[Row]:
    """Set the size beside what it may be."""
    return [
        Row(
            benchmark=11,
            measure="workflow image, compressed, MB",
            peer="none",
            theirs=None,
            ours=megabytes,
            target=TARGET_MB,
        )
    ]


def _built(engine: Engine, base: str | None, folder: Path) -> int:
    engine.build(TAG, base=base)
    try:
        engine.call("save", "--output", str(folder / "image.tar"), TAG)
        return compressed_bytes(folder / "image.tar")
    finally:
        engine.call("image", "rm", TAG, check=False)


def compressed_bytes(archive: Path) -> int:
    """Give what an archive of an image takes compressed, as registries keep it."""
    packed = archive.with_suffix(".gz")
    with archive.open("rb") as source, gzip.open(packed, "wb", compresslevel=6) as target:
        shutil.copyfileobj(source, target, 1 << 20)
    return packed.stat().st_size
