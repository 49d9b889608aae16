"""Everything that comes from a repository or a model runs in here; `detect.detect` picks the way that works."""
