"""One step of training opened: every number of it, as text, JSON or HTML."""
