"""The report of `gradprobe dynamics`: alignments of kernels against accuracy, and residual propagation."""
