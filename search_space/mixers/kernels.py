"""What mixers with a kernel share; components of other kinds share it too."""

from ..kernels import KERNEL, reaching_kernel

__all__ = ["KERNEL", "reaching_kernel"]
