"""What the statistics keep of what they promise, at the paper's sample sizes: coverage, size and power."""
