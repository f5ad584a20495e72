"""Sensors of the provider."""

from airflow_provider_miniwdl_aws.sensors.run import MiniwdlRunSensor

__all__ = ["MiniwdlRunSensor"]
