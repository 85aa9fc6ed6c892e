"""The exit statuses of the command line."""

from __future__ import annotations

DONE, FAILED, WRONG_USE = 0, 1, 2
INTERRUPTED = 130
