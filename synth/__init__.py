"""Turn documents into question-answer datasets, and find which settings make the best one."""

__version__ = "0.1.0"
