"""Links the outputs of a scatter once, and tells how long it took: ``link_once.py RUN_DIR COUNT``.

The calls' own outputs are there already. With ``tuned`` as a third argument miniwdl is as in a
workflow job of ours; else it is as it comes.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import WDL
from WDL._util import write_values_json

SOURCE = "version 1.1\nworkflow w { input { Array[File] f } output { Array[File] o = f } }"


def main(arguments: list[str]) -> None:
    """Run the command line."""
    run_dir, count = Path(arguments[0]), int(arguments[1])
    if "tuned" in arguments:
        from miniwdl_aws.runner.tuning.substitutes import tune  # noqa: PLC0415  (only where it is wanted)

        if not tune():
            raise SystemExit("this version of miniwdl is not tuned")
    document = WDL.parse_document(SOURCE)
    document.typecheck()
    target: Any = document.workflow
    files = [f"{run_dir}/call-t-{number}/out/f/result.txt" for number in range(count)]
    outputs = WDL.values_from_json({"f": files}, target.available_inputs, target.required_inputs)
    workflow: Any = importlib.import_module("WDL.runtime.workflow")
    begun = time.monotonic()
    linked = workflow.link_outputs(None, outputs, str(run_dir))
    workflow._warn_output_basename_collisions(logging.getLogger("link"), linked)  # noqa: SLF001  (as miniwdl does)
    write_values_json(linked, str(run_dir / "outputs.json"), namespace="w")
    print(json.dumps({"seconds": time.monotonic() - begun}))


if __name__ == "__main__":
    main(sys.argv[1:])
