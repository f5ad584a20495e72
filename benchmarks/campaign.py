"""`make campaign`: heads killed at random moments, and runs that must come out as if none were.

Each run is a workflow of a scatter, a series, a subworkflow and a task that fails at first. Its
head is killed at moments drawn from a seed, once or twice, as by a host that fails (SIGKILL) or is
reclaimed (SIGTERM). Then either AWS Batch begins the same workflow job again, or another job of the
same run key takes over. In the end the outputs must be those of an undisturbed run, each call must
have been run to its end by exactly one job, and nothing may be left running.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import psutil

from benchmarks.cloud import MOUNT, head_definition
from benchmarks.errors import BenchmarkError
from miniwdl_aws.local.local_aws import LocalAws
from miniwdl_aws.local.settings import TASK_QUEUE, WORKFLOW_QUEUE, LocalAwsSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mypy_boto3_batch import BatchClient


RUNNER = str(Path(sys.executable).with_name("miniwdl-run-s3upload"))
LIMIT_SECONDS = 180.0
POLL_SECONDS = 0.05
ENDED = {"SUCCEEDED", "FAILED"}

WDL = Path(__file__).with_name("wdl")

CALLS = (
    *(f"wide-{index}" for index in range(4)),
    "first", "second", "upper", "lower", "flaky", "gather",
)  # fmt: skip

EXPECTED = {
    "campaign.said": [f"wide-{index} " for index in range(4)],
    "campaign.deep": "wide-0 upper lower ",
    "campaign.tried": "second time",
    "campaign.gathered": "wide-0  wide-1  wide-2  wide-3  first second ",
}
EXPECTED_LETTER = "first\nsecond\n"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is done to one run.

    Attributes:
        number: which run it is.
        kills: when its heads are killed, in seconds after each began to run.
        new_job: whether another job takes over; else AWS Batch begins the same one again.
        gently: whether by SIGTERM, as of a host that is reclaimed, instead of SIGKILL.
    """

    number: int
    kills: tuple[float, ...]
    new_job: bool = False
    gently: bool = False


@dataclass
class Verdict:
    """What came of one run.

    Attributes:
        plan: what was done to it.
        killed: how many heads were killed before they had ended.
        heads: how many heads it had.
        seconds: how long it took.
        problems: what is wrong; empty if all is right.
    """

    plan: Plan
    killed: int = 0
    heads: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


def make_plan(seed: int, number: int, longest_seconds: float) -> Plan:
    """Draw what is done to a run; equal for equal seeds."""
    chance = random.Random(f"{seed}/{number}")  # noqa: S311  (repeatable, not secret)
    count = chance.choice((1, 1, 2))
    how = chance.choice(("same job", "same job", "same job, gently", "new job", "new job"))
    return Plan(
        number=number,
        kills=tuple(chance.uniform(0.0, longest_seconds) for _ in range(count)),
        new_job=how == "new job",
        gently=how == "same job, gently",
    )


class Arena:
    """A local AWS on which runs are disturbed.

    Args:
        aws: the local AWS, which runs.
    """

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws
        names = aws.environment
        self._batch: BatchClient = boto3.client(
            "batch",
            region_name=aws.region,
            endpoint_url=aws.endpoint_url,
            aws_access_key_id=names["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=names["AWS_SECRET_ACCESS_KEY"],
        )
        self._batch.register_job_definition(**head_definition("campaign", self._aws))
        self.folder = aws.efs_dir / "campaign"
        self.folder.mkdir(mode=0o777)
        for path in WDL.glob("*.wdl"):
            shutil.copy(path, self.folder)

    def run(self, plan: Plan) -> Verdict:
        """Make one run, kill its heads as planned, and judge what came of it."""
        verdict, begun = Verdict(plan=plan), time.monotonic()
        name = f"run{plan.number}"
        job_id = self._submit(name, 1 if plan.new_job else len(plan.kills) + 1)
        for after in plan.kills:
            attempt = 1 if plan.new_job else verdict.killed + 1
            if not self._kill(job_id, attempt, after, gently=plan.gently):
                break
            verdict.killed += 1
            if plan.new_job:
                self._wait(lambda job_id=job_id: self._status(job_id) in ENDED)
                job_id = self._submit(name, 1)
        self._wait(lambda: self._status(job_id) in ENDED)
        verdict.seconds = time.monotonic() - begun
        self._judge(name, job_id, verdict)
        shutil.rmtree(self._runs(name), ignore_errors=True)
        return verdict

    def _judge(self, name: str, job_id: str, verdict: Verdict) -> None:
        problems = verdict.problems
        if self._status(job_id) != "SUCCEEDED":
            problems.append(f"the last job {self._status(job_id)}: {self._tail(job_id)}")
        runs = [path for path in self._runs(name).glob("*_campaign") if path.is_dir()]
        if not runs:
            problems.append("there is no run directory")
            return
        verdict.heads = len(list(runs[-1].glob(".miniwdl-aws/heads/*.json")))
        problems += _output_problems(runs[-1], self._aws.efs_dir)
        problems += _ledger_problems(self.folder / f"{name}.ledger")
        if live := self._live():
            problems.append(f"left running: {live}")

    def _live(self) -> list[str]:
        return [
            f"{each['jobName']} {each['status']}"
            for status in ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
            for each in self._batch.list_jobs(jobQueue=TASK_QUEUE, jobStatus=status)[
                "jobSummaryList"
            ]
        ]

    def _submit(self, name: str, attempts: int) -> str:
        seen = f"{MOUNT}/{self.folder.name}"
        command = [RUNNER, f"{seen}/campaign.wdl", f"ledger={seen}/{name}.ledger"]
        command += ["--dir", f"{MOUNT}/runs/{name}"]
        variables = {
            "MINIWDL__FILE_IO__ROOT": MOUNT,
            "MINIWDL__AWS__TASK_QUEUE": TASK_QUEUE,
            "MINIWDL__AWS__FS": self._aws.file_system_id,
            "MINIWDL__AWS__FSAP": self._aws.access_point_id,
            "MINIWDL__AWS__RETRY_WAIT": "0.2",
            "MINIWDL__CALL_CACHE__GET": "false",
            "MINIWDL__CALL_CACHE__PUT": "false",
            "MINIWDL_AWS_RUN_KEY": f"campaign/{name}",
        }
        job = self._batch.submit_job(
            jobName=name,
            jobQueue=WORKFLOW_QUEUE,
            jobDefinition="campaign",
            retryStrategy={"attempts": attempts},
            containerOverrides={
                "command": command,
                "environment": [{"name": key, "value": text} for key, text in variables.items()],
            },
        )
        return job["jobId"]

    def _kill(self, job_id: str, attempt: int, after: float, *, gently: bool) -> bool:
        """Kill a head some time after it began; whether it had not ended before."""
        self._wait(lambda: self._processes(job_id, attempt) or self._status(job_id) in ENDED)
        deadline = time.monotonic() + after
        while time.monotonic() < deadline:
            if self._status(job_id) in ENDED:
                return False
            time.sleep(min(POLL_SECONDS, max(0.0, deadline - time.monotonic())))
        found = self._processes(job_id, attempt)
        # The first process is the runner; SIGTERM comes to it alone, as from Amazon ECS.
        for process in found[:1] if gently else found:
            try:
                process.send_signal(signal.SIGTERM if gently else signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        return bool(found)

    def _processes(self, job_id: str, attempt: int) -> list[psutil.Process]:
        """Find the processes of an attempt, the first of them first: its end ends all others."""
        found = []
        for process in psutil.process_iter():
            try:
                environ = process.environ()
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
            if environ.get("AWS_BATCH_JOB_ID") == job_id and environ.get(
                "AWS_BATCH_JOB_ATTEMPT"
            ) == str(attempt):
                found.append(process)
        return sorted(found, key=lambda process: process.pid)

    def _wait(self, condition: Any) -> None:
        deadline = time.monotonic() + LIMIT_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise BenchmarkError(f"nothing happened for {LIMIT_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)

    def _status(self, job_id: str) -> str:
        history = self._aws.job_history(job_id)
        return history[-1][0] if history else "SUBMITTED"

    def _tail(self, job_id: str) -> str:
        (job,) = self._batch.describe_jobs(jobs=[job_id])["jobs"]
        return f"{job.get('statusReason')}, {job['container'].get('exitCode')}"

    def _runs(self, name: str) -> Path:
        return self._aws.efs_dir / "runs" / name


def _output_problems(run_dir: Path, efs_dir: Path) -> list[str]:
    try:
        outputs = json.loads((run_dir / "outputs.json").read_text())
    except (OSError, ValueError) as exc:
        return [f"there are no outputs: {exc}"]
    letter = efs_dir / str(outputs.pop("campaign.letter")).removeprefix(f"{MOUNT}/")
    problems = [] if outputs == EXPECTED else [f"other outputs: {outputs}"]
    link = letter.resolve() if not letter.is_symlink() else _follow(letter, efs_dir)
    if link.read_text() != EXPECTED_LETTER:
        problems.append(f"another letter: {link.read_text()!r}")
    return problems


def _follow(link: Path, efs_dir: Path) -> Path:
    """Follow links as jobs see them."""
    while link.is_symlink():
        target = link.readlink()
        inside = str(target).startswith(f"{MOUNT}/")
        link = (
            efs_dir / str(target).removeprefix(f"{MOUNT}/")
            if inside
            else (link.parent.resolve() / target)
        )
    return link


def _ledger_problems(ledger: Path) -> list[str]:
    lines = ledger.read_text().split("\n")[:-1] if ledger.is_file() else []
    counts = Counter(line.split(" ")[0] for line in lines)
    missing = [call for call in CALLS if not counts[call]]
    twice = {call: count for call, count in counts.items() if count > 1}
    problems = [f"never run to their end: {missing}"] if missing else []
    return problems + ([f"run to their end more than once: {twice}"] if twice else [])


@contextmanager
def arena() -> Iterator[Arena]:
    """Start a local AWS for the length of the block."""
    settings = LocalAwsSettings(mount_path=MOUNT, stop_timeout_seconds=2.0)
    with LocalAws(settings) as aws:
        yield Arena(aws)


def campaign(place: Arena, numbers: Iterable[int], seed: int, say: Any) -> list[Verdict]:
    """Make the runs of these numbers, after an undisturbed one that tells how long they take."""
    calm = place.run(Plan(number=0, kills=()))
    if calm.problems:
        raise BenchmarkError(f"the undisturbed run failed: {calm.problems}")
    say(f"an undisturbed run takes {calm.seconds:.1f} s")
    verdicts = []
    for number in numbers:
        verdict = place.run(make_plan(seed, number, calm.seconds))
        verdicts.append(verdict)
        say(_line(verdict))
    return verdicts


def _line(verdict: Verdict) -> str:
    plan = verdict.plan
    kills = ", ".join(f"{after:.2f} s" for after in plan.kills)
    how = "a new job" if plan.new_job else "the same job"
    by = "SIGTERM" if plan.gently else "SIGKILL"
    state = "; ".join(verdict.problems) or "right"
    return (
        f"run {plan.number}: {by} to {verdict.killed} of {len(plan.kills)} heads (after {kills}), "
        f"then {how}; {verdict.heads} heads, {verdict.seconds:.1f} s: {state}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the campaign; gives 0 if all runs came out right."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.campaign", description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="how many runs [100]")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn [1]")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="this run of the seed alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the verdicts here")
    args = parser.parse_args(argv)
    with arena() as place:
        numbers = [args.only] if args.only else range(1, args.runs + 1)
        verdicts = campaign(place, numbers, args.seed, lambda line: print(line, flush=True))
    wrong = [verdict for verdict in verdicts if verdict.problems]
    kills = sum(verdict.killed for verdict in verdicts)
    print(f"{len(verdicts)} runs, {kills} heads killed, {len(wrong)} wrong (seed {args.seed})")
    if args.json:
        args.json.write_text(json.dumps([asdict(each) for each in verdicts], indent=2) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
