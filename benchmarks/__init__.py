"""What things cost: one file a question, each of which runs alone or with all others."""
