"""What a backbone is and what may vary in it."""

import time

LOADED = time.time()
"""Time (seconds since 1970) at which this process first imported the package."""
