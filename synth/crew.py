"""Processes that work on tasks, and may die or hang at one without harm to the others."""
