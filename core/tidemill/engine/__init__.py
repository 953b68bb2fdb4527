"""The engine: what schedules. It knows the model and the ports, nothing else."""
