"""When the clocks of these tests begin."""

from datetime import UTC, datetime

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
