"""Entry point of `python -m edge`, which is `tocsin`."""

from __future__ import annotations

import sys

from edge.cli import main

sys.exit(main())
