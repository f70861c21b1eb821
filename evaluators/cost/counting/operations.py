"""Names of operations in a trace, grouped by rule of counting; ``handles.py`` has the others.

A name is that of torch's operator without ``aten::`` and without a trailing underscore (in place).
"""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


COMPLEX_CONVOLUTION = "ComplexConvolution"
TRANSPOSED_COMPLEX_CONVOLUTION = "TransposedComplexConvolution"
"""Name in ``trace`` of complex transposed convolutions, which torch splits into real ones."""

FFTS = tuple(f"{kind}fft{axes}" for kind in ("", "i", "r", "ir") for axes in ("", "2", "n"))
"""Fourier transforms, without ``fft_``; with an r, one side is real."""

ELEMENTWISE = _names(
    """
    abs acos acosh angle asin asinh atan atan2 atanh bitwise_and bitwise_not bitwise_or
    bitwise_xor ceil celu clamp clamp_max clamp_min clip copysign cos cosh div divide elu eq erf
    erfc exp exp2 expm1 floor floor_divide fmod frac ge gelu gt hardshrink hardsigmoid hardswish
    hardtanh hypot isinf isnan le leaky_relu log log10 log1p log2 log_sigmoid logaddexp
    logical_and logical_not logical_or logical_xor logit lt maximum minimum mish mul multiply ne
    neg negative polar pow prelu reciprocal relu relu6 remainder round rsqrt selu sgn sigmoid
    sign silu sin sinc sinh softplus softshrink sqrt square tan tanh threshold true_divide trunc
    xlogy
    """
)
"""Functions with one operation per output element."""

SUMS = _names("add rsub sub subtract")
"""Sums with one operation per output element, and one more where a side is scaled (``alpha``)."""

PRODUCTS = _names("cumprod div divide mul multiply prod reciprocal square true_divide")
"""Functions with six real operations on complex numbers; other functions have two."""

COMPOUND = {"addcdiv": 2, "addcmul": 2, "glu": 2, "lerp": 3}
"""Operations per output element of compound elementwise functions."""

REDUCTIONS = {
    "all": 1,
    "amax": 1,
    "amin": 1,
    "any": 1,
    "argmax": 1,
    "argmin": 1,
    "cummax": 1,
    "cummin": 1,
    "cumprod": 1,
    "cumsum": 1,
    "frobenius_norm": 2,
    "linalg_vector_norm": 2,
    "logcumsumexp": 2,
    "logsumexp": 2,
    "mean": 1,
    "nansum": 1,
    "norm": 2,
    "prod": 1,
    "std": 3,
    "std_mean": 3,
    "sum": 1,
    "var": 3,
    "var_mean": 3,
}
"""Operations per input element of reductions."""

POOLINGS = _names(
    """
    avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d max_pool1d_with_indices
    max_pool2d_with_indices max_pool3d_with_indices
    """
)
"""Poolings with one operation per element of each window, padding included."""

ADAPTIVE_POOLINGS = _names(
    """
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d
    adaptive_max_pool2d adaptive_max_pool3d
    """
)
"""Poolings with one operation per input element."""

RESIZES = {
    "upsample_nearest1d": "nearest",
    "upsample_nearest2d": "nearest",
    "upsample_nearest3d": "nearest",
    "_upsample_nearest_exact1d": "nearest",
    "_upsample_nearest_exact2d": "nearest",
    "_upsample_nearest_exact3d": "nearest",
    "upsample_linear1d": "linear",
    "upsample_bilinear2d": "bilinear",
    "upsample_trilinear3d": "trilinear",
    "upsample_bicubic2d": "bicubic",
}
"""Interpolation of each operation that resizes a map."""

VIEWS = _names(
    """
    adjoint alias as_strided broadcast_tensors broadcast_to chunk conj contiguous detach diagonal
    dropout expand expand_as feature_dropout flatten imag lift_fresh mH mT matrix_H meshgrid
    movedim moveaxis narrow numpy_T permute positive real reshape reshape_as select slice split
    split_with_sizes squeeze swapaxes swapdims t tensor_split to transpose type_as unbind unflatten
    unfold unsafe_chunk unsafe_split unsafe_split_with_sizes unsqueeze view view_as view_as_complex
    view_as_real
    """
)
"""Views, and operations that may return one. They are free: values change only in type, and the
sign of ``conj`` is part of the product that uses it. ``handles.py`` rejects active dropout."""

MOVES = _names(
    """
    arange cat channel_shuffle clone complex concat concatenate constant_pad_nd copy diag
    diag_embed embedding empty empty_like eye fft_fftfreq fft_fftshift fft_ifftshift fft_rfftfreq
    fill flip full full_like gather hstack im2col index_copy index_fill index_select linspace
    masked_fill masked_scatter new_empty new_full new_ones new_zeros one_hot ones ones_like pad
    pixel_shuffle pixel_unshuffle reflection_pad1d reflection_pad2d reflection_pad3d repeat
    replication_pad1d replication_pad2d replication_pad3d roll rot90 scalar_tensor stack take
    take_along_dim tensor tile tril tril_indices triu triu_indices vstack zeros zeros_like
    """
)
"""Operations that are free in all forms: they move elements, or write values given by settings.
Operations that also calculate in some forms have a handle."""

NO_TENSORS = _names(
    """
    Bool Float FloatImplicit Int IntImplicit ScalarImplicit __and__ __getitem__ __is__ __isnot__
    __not__ __or__ device dim dtype is_floating_point item len numel size sym_numel sym_size
    """
)
"""Arithmetic on sizes and settings, not on tensors."""

FREE_PRIMITIVES = _names(
    """
    Constant ListConstruct ListUnpack NumToTensor TupleConstruct TupleIndex TupleUnpack
    ImplicitTensorToNum GetAttr data device dtype layout max min
    """
)
"""The tracer's bookkeeping (``prim::``)."""
