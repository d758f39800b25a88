"""Pictures of data, masks and predictions."""
