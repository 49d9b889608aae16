"""Maestro, the orchestrator of one project: it decides and never writes code."""
