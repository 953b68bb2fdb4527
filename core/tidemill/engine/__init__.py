"""The engine: scheduler and worker. It knows the model and the ports, nothing else."""
