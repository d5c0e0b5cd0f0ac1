"""The jobs of a sweep: in which order, side by side, gone on with, and compared in the end.

``plan`` says what varies and which jobs share a server (pure); ``book`` is ``sweep.json``;
``runner`` runs the jobs that are not finished; ``ending`` compares all that are. Nothing here
knows of Hydra: its launchers hand over configurations and folders.
"""
