"""What record and replay fails at, one small experiment each: ``python -m benchmarks.failures``."""
