"""What a backbone is and what may vary in it."""

import time

LOADED = time.time()
"""When this process loaded the first of its code."""
