"""Language models: which there are, what they cost, how they are asked, and what they said."""
