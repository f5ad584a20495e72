"""What a run did and used, as ``run_report.json`` and as a table for people.

`model` holds what is reported and sums it up, `reading` finds it in the files of a run directory,
`tables` writes it for people. Nothing asks AWS: all of it was written down while the run went on.
"""

from miniwdl_aws.report.model import REPORT_FILE, RunReport, as_document
from miniwdl_aws.report.reading import read_run, write_report

__all__ = ["REPORT_FILE", "RunReport", "as_document", "read_run", "write_report"]
