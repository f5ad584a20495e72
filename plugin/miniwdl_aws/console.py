"""Addresses of the AWS console, for people who read a log or a task's page."""

from urllib.parse import quote

from miniwdl_aws.logs import LOG_GROUP


def job_url(region: str, job_id: str) -> str:
    """Give the page of a Batch job."""
    return f"{_console(region)}/batch/home?region={region}#jobs/detail/{job_id}"


def log_url(region: str, stream: str, group: str = LOG_GROUP) -> str:
    """Give the page of a log stream; CloudWatch wants its names escaped twice, with $ for %."""
    return (
        f"{_console(region)}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/"
        f"{_twice(group)}/log-events/{_twice(stream)}"
    )


def s3_url(region: str, uri: str) -> str:
    """Give the page of a folder on S3."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    return f"{_console(region)}/s3/buckets/{bucket}?region={region}&prefix={quote(prefix)}"


def _twice(name: str) -> str:
    return quote(quote(name, safe=""), safe="").replace("%", "$")


def _console(region: str) -> str:
    domain = "amazonaws.cn" if region.startswith("cn-") else "aws.amazon.com"
    return f"https://{region}.console.{domain}"
