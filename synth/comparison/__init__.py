"""Which settings make the best data, and is the difference real: statistics, plots, pages.

``statistics`` compares; ``plots`` draws; ``views`` presets MLflow's pages; ``report`` is the page
of a sweep. All of it works on values and files: nothing here talks to a tracker.
"""
