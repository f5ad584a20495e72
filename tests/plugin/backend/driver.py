"""Runs workflows with miniwdl inside a workflow job, many at once in one process.

It does for each what ``miniwdl run`` does, without starting Python for each. It is a program of its
own, copied to the shared file system: ``python3 driver.py FOLDER`` reads ``FOLDER/scenarios.json``
and writes ``FOLDER/results.json``.
"""

import json
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any

import WDL
from WDL._util import TerminationSignalFlag
from WDL.runtime.config import Loader
from WDL.runtime.error import RunFailed, error_json

FOLDER = Path(sys.argv[1])
CONFIGURATION = str(resources.files("miniwdl_aws").joinpath("miniwdl_aws.cfg"))


def run(name: str, number: int, given: dict[str, Any]) -> dict[str, Any]:
    """Run one workflow or task."""
    logger = logging.getLogger(f"driver.{name}")
    options = {"scheduler": {"fail_fast": False}, **given["options"]}
    cfg = Loader(logger, filenames=[CONFIGURATION], overrides=options)
    # The directory's name has a space in it, as users' have.
    run_dir: Any = f"{FOLDER}/runs/{name} {number}/."
    result: dict[str, Any] = {"run_dir": run_dir.removesuffix("/."), "outputs": {}, "error": {}}
    try:
        document = WDL.load(given["wdl"])
        target = document.workflow or document.tasks[0]
        values = WDL.values_from_json(
            given["inputs"], target.available_inputs, target.required_inputs, namespace=target.name
        )
        _, outputs = WDL.runtime.run(cfg, target, values, run_dir=run_dir)
        result["outputs"] = WDL.values_to_json(outputs)
    except RunFailed as exc:
        result["error"] = error_json(exc)["cause"]
    except Exception as exc:  # noqa: BLE001  (one mistake must not hide what became of the others)
        result["error"] = {"error": type(exc).__name__, "message": str(exc)}
    return result


def run_all(name: str, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run the workflows of one scenario one after another."""
    return [run(name, number, given) for number, given in enumerate(runs, start=1)]


def main() -> None:
    """Run all scenarios at once."""
    logging.basicConfig(level=logging.INFO)
    scenarios = json.loads((FOLDER / "scenarios.json").read_text())
    with (
        TerminationSignalFlag(logging.getLogger("driver")),
        ThreadPoolExecutor(max_workers=len(scenarios)) as pool,
    ):
        results = dict(
            zip(scenarios, pool.map(run_all, *zip(*scenarios.items(), strict=True)), strict=True)
        )
    (FOLDER / "results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main()
