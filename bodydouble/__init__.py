"""Turn people showing a task into episodes that a humanoid robot can be trained on."""

__version__ = "0.1.0"
