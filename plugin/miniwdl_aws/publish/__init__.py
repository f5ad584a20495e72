"""Publishing a run directory to S3: decided by content, verified object by object, committed last.

`plan` chooses what is published and under which keys, `checksums` says how S3 computes SHA-256,
`upload` moves the content, and `publisher` brings them together.
"""

from miniwdl_aws.publish.publisher import Publication, publish_run, published_before

__all__ = ["Publication", "publish_run", "published_before"]
