"""Code generation: from a task to a commit that passed its checkpoints."""
