"""What a run published is read and compared with the truth."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from demo.differences import Difference
from demo.results import read_result, save_files, table
from demo.samples import Sample

GENOME = "ACGTACGTAC"
REPORT = {"mean_depth": 39.04, "covered_fraction": 0.9941}
PUBLISHED = {
    "runs/one/outputs.json": json.dumps(
        {
            "assemble_viral.indels": 0,
            "assemble_viral.variants_vcf": "s3://bucket/runs/one/out/one.vcf",
            "assemble_viral.report_json": "s3://bucket/runs/one/out/one.report.json",
        }
    ),
    "runs/one/out/one.vcf": "##fileformat=VCFv4.2\nref\t3\t.\tG\tT\t.\tPASS\tDP=40\n",
    "runs/one/out/one.report.json": json.dumps(REPORT),
}


class FakeS3:
    """Holds the objects of one bucket."""

    def get_object(self, **request: str) -> dict[str, Any]:
        """Give an object as S3 does."""
        assert request["Bucket"] == "bucket"
        return {"Body": io.BytesIO(PUBLISHED[request["Key"]].encode())}


def test_a_published_run_is_compared_with_the_truth() -> None:
    """What was called is found, what was not is missed; the table counts both."""
    truth = (Difference(3, "G", "T"), Difference(6, "C", "A"))
    nowhere = Path("nowhere")
    sample = Sample(name="one", reads=(), genome=nowhere, truth=nowhere, differences=truth)
    result = read_result(FakeS3(), "s3://bucket/runs/one/", sample, GENOME)
    assert result.comparison.missed == (Difference(6, "C", "A"),)
    header, row = table([result])
    assert header.split("  ") != row.split("  ")
    assert row.split() == ["one", "2", "1", "1", "0", "39.0", "99.4%"]


def test_published_files_are_copied(tmp_path: Path) -> None:
    """Each output file is copied under its own name; numbers are no files."""
    sample = Sample(name="one", reads=(), genome=tmp_path, truth=tmp_path, differences=())
    result = read_result(FakeS3(), "s3://bucket/runs/one/", sample, GENOME)
    copies = save_files(FakeS3(), result, tmp_path / "results" / "one")
    assert sorted(path.name for path in copies) == ["one.report.json", "one.vcf"]
    assert json.loads(copies[-1].read_text()) == REPORT
