"""Set-up shared by all tests."""

import os

# The models are tiny and the tests run side by side: threads would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
