"""`python -m millrace.cli`."""

import sys

from millrace.cli import main

sys.exit(main())
