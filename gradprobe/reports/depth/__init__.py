"""The report of a depth study: gradients and representations layer by layer, accuracy against depth."""
