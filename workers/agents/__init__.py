"""Agents: roles with prompts, tools and limits, put to work in a worktree."""
