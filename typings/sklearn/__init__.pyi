"""The types of what glassnet uses of scikit-learn, and nothing else."""

__version__: str
