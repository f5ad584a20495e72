"""What a run left on S3, and how it compares with the truth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from demo.differences import Comparison, compare, parse_vcf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from demo.samples import Sample

WORKFLOW = "assemble_viral"
"""The workflow's name, which stands before each of its outputs."""

TABLE = ("sample", "expected", "found", "missed", "false", "mean depth", "covered")


@dataclass(frozen=True, kw_only=True)
class SampleResult:
    """What became of one sample.

    Attributes:
        sample: its name.
        outputs: the workflow's outputs by full name; files as S3 URIs.
        report: the decoded report.
        comparison: the called differences against the truth.
    """

    sample: str
    outputs: Mapping[str, Any]
    report: Mapping[str, Any]
    comparison: Comparison


def read_object(s3: Any, uri: str) -> bytes:
    """Read one object.

    Args:
        s3: an S3 client.
        uri: s3://BUCKET/KEY.

    Returns:
        Its bytes.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


def read_result(s3: Any, folder: str, sample: Sample, genome: str) -> SampleResult:
    """Read what was published of a run, and compare it with the truth.

    Args:
        s3: an S3 client.
        folder: where the run was published, s3://BUCKET/PREFIX/.
        sample: the sample.
        genome: the reference's sequence.

    Returns:
        Outputs, report and comparison.
    """
    outputs = json.loads(read_object(s3, f"{folder.rstrip('/')}/outputs.json"))
    outputs = outputs.get("outputs", outputs)
    called = parse_vcf(read_object(s3, outputs[f"{WORKFLOW}.variants_vcf"]).decode())
    return SampleResult(
        sample=sample.name,
        outputs=outputs,
        report=json.loads(read_object(s3, outputs[f"{WORKFLOW}.report_json"])),
        comparison=compare(genome, sample.differences, called),
    )


def save_files(s3: Any, result: SampleResult, directory: Path) -> list[Path]:
    """Copy the files of a result from S3, which the local AWS keeps only as long as it runs.

    Args:
        s3: an S3 client.
        result: what was published.
        directory: where to; made when it is not there.

    Returns:
        The copies.
    """
    directory.mkdir(parents=True, exist_ok=True)
    copies = []
    for value in result.outputs.values():
        if isinstance(value, str) and value.startswith("s3://"):
            copies.append(directory / value.rpartition("/")[2])
            copies[-1].write_bytes(read_object(s3, value))
    return copies


def table(results: Iterable[SampleResult]) -> list[str]:
    """Lay results out, one line a sample.

    Args:
        results: of all samples.

    Returns:
        Lines under a header.
    """
    rows = [TABLE, *(_row(result) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(TABLE))]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _row(result: SampleResult) -> tuple[str, ...]:
    counted = result.comparison
    return (
        result.sample,
        *(
            str(len(each))
            for each in (counted.expected, counted.found, counted.missed, counted.false)
        ),
        f"{result.report['mean_depth']:.1f}",
        f"{result.report['covered_fraction']:.1%}",
    )
