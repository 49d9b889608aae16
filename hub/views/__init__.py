"""What each thing looks like as JSON: pure functions from rows to the shapes that GitHub describes."""
