"""The size of the workflow image."""

import gzip
from pathlib import Path

from benchmarks.image import compressed_bytes, rows


def test_what_counts_is_the_compressed_size(tmp_path: Path) -> None:
    """As registries keep it, however well an archive compresses."""
    archive = tmp_path / "image.tar"
    archive.write_bytes(b"layer" * 1_000_000)
    size = compressed_bytes(archive)
    assert size < 100_000
    assert len(gzip.decompress((tmp_path / "image.gz").read_bytes())) == 5_000_000


def test_a_large_image_misses_its_target() -> None:
    """120 MB is met, more is not."""
    assert [rows(size)[0].met for size in (120.0, 120.1)] == [True, False]
