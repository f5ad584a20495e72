"""Hooks of the provider."""

from airflow_provider_miniwdl_aws.hooks.miniwdl_aws import MiniwdlAwsHook

__all__ = ["MiniwdlAwsHook"]
