"""Many trainings as one piece of work: plan, claim, run, record. Nothing here imports torch until a cell runs."""
