"""The worker: what carries steps out. It knows the model and the ports, and no scheduler."""
