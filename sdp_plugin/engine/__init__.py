"""How a config is trained: hooks, loops, number formats, and what keeps trainings of one process apart."""
