"""Names of operations in a trace, by the way they are counted; ``handles.py`` has the rest.

A name is that of torch's operator without ``aten::``; a trailing underscore (work in place) is
left out.
"""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


COMPLEX_CONVOLUTION = "ComplexConvolution"
TRANSPOSED_COMPLEX_CONVOLUTION = "TransposedComplexConvolution"
"""What ``trace`` makes of convolutions of complex numbers, which torch writes out in real ones."""

FFTS = tuple(f"{kind}fft{axes}" for kind in ("", "i", "r", "ir") for axes in ("", "2", "n"))
"""Fourier transforms, without ``fft_``; r: one side is real."""

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
"""One operation an output element, whatever the function."""

SUMS = _names("add rsub sub subtract")
"""One operation an output element, and one more where one side is scaled (``alpha``)."""

PRODUCTS = _names("cumprod div divide mul multiply prod reciprocal square true_divide")
"""What takes six real operations on complex numbers; other functions take two."""

COMPOUND = {"addcdiv": 2, "addcmul": 2, "glu": 2, "lerp": 3}
"""Operations an output element of elementwise functions that are several in one."""

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
"""Operations an input element."""

POOLINGS = _names(
    """
    avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d max_pool1d_with_indices
    max_pool2d_with_indices max_pool3d_with_indices
    """
)
"""One operation an element of each window, padding included."""

ADAPTIVE_POOLINGS = _names(
    """
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d
    adaptive_max_pool2d adaptive_max_pool3d
    """
)
"""One operation an input element."""

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
"""Resizing a map: the kind of interpolation."""

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
"""Views, and what can be one. They are free: numbers stay what they are, but for their type, and
the sign of ``conj`` is part of the product that it is used in. ``handles.py`` refuses dropout that
is active."""

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
"""Free, in all their forms: they put elements elsewhere, or values that settings alone fix. What
moves elements in one form and calculates in another has a handle."""

NO_TENSORS = _names(
    """
    Bool Float FloatImplicit Int IntImplicit ScalarImplicit __and__ __getitem__ __is__ __isnot__
    __not__ __or__ device dim dtype is_floating_point item len numel size sym_numel sym_size
    """
)
"""Arithmetic on sizes and settings, not on maps."""

FREE_PRIMITIVES = _names(
    """
    Constant ListConstruct ListUnpack NumToTensor TupleConstruct TupleIndex TupleUnpack
    ImplicitTensorToNum GetAttr data device dtype layout max min
    """
)
"""The tracer's own bookkeeping (``prim::``)."""
