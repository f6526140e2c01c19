"""What reports compute over seeds, pairs and ranks, each in one place."""
