"""The four checkpoints: what is run to judge a change, how its reports are read, and what they say of it."""
