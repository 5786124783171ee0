"""Environments in closed form: torch equations on `DifferentiableEnv`, one environment a file."""
