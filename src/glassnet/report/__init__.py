"""What a person looks at: a model of a table on one page that needs nothing else."""
