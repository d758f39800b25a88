"""What tools call: training, testing, prediction and looking at data, from a config or a checkpoint."""
