"""What record and replay is known to fail at, one small experiment each: ``python -m benchmarks.failures``."""
