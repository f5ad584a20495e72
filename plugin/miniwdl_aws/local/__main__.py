"""``python -m miniwdl_aws.local`` is ``miniwdl-aws-local``."""

import sys

from miniwdl_aws.cli.local import main

sys.exit(main())
