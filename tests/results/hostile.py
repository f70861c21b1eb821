"""What somebody might send to do harm."""

HOSTILE = "</script><script>alert('x')</script><img src=x onerror=alert(1)>&amp;"
