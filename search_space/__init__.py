"""Search spaces of vision backbones: components, architectures, walks and constraints."""

import time

LOADED = time.time()
"""Time (seconds since 1970) at which this process first imported the package."""
