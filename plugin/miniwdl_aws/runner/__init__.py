"""What runs inside the workflow job: miniwdl, then publication, then the report.

`options` merges arguments and environment, `bundles` brings the WDL source and inputs, `rundir`
makes the run directory, `process` runs `miniwdl`, `failure` reads what it says of a failure, and
`workflow` brings them together.
"""
