"""Airflow operators, sensors and a deferrable trigger that run WDL workflows on AWS Batch."""

__version__ = "0.1.0"
