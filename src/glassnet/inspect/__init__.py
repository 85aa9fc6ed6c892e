"""Open one training step: show all of its numbers as text, JSON or HTML."""
