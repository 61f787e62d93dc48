"""Benchmarks: ``python -m benchmarks`` runs them side by side and prints ratios."""
