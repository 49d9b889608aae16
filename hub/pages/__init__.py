"""The pages: what a person with a browser sees of the hub, and does with it."""
