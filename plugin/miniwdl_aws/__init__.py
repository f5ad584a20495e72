"""Run WDL workflows with miniwdl on AWS Batch.

The submission core (settings, bundle, plan, submit, status) imports boto3 alone; the container
backend and the in-job runner ask for the extra ``[runner]``, the local AWS for ``[local]``.
"""

__version__ = "1.0.0"
