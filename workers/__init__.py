"""What the queue makes happen: Maestro, code generation, agents, checkpoints and git."""
