"""The report of a dynamics study: alignments of kernels against accuracy, and residual propagation."""
