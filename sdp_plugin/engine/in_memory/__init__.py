"""Training and testing classifiers of small images without data loaders, and many such trainings side by side."""
