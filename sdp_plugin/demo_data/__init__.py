"""Data to run on: small generated data in the public layouts."""
