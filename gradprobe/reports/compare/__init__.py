"""The report of a comparison of combiners and encoders, or of one trace."""
