"""The order of dispatch under load, simulated: `python -m order --help` in tests/benchmarks."""
