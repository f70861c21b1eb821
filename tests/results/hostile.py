"""Texts that an attacker might send."""

HOSTILE = "</script><script>alert('x')</script><img src=x onerror=alert(1)>&amp;"
