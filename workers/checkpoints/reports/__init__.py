"""Readers of what other people's checkers print; pure, and patient with what they don't understand."""
