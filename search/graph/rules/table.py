"""One table: operator -> how axes move through it.

There are three kinds of operator, never two. Those in `RULES` have a rule. Those in `POINTWISE` act on each element
alone, by name. All others are unknown: they freeze what they touch and are reported.
"""

from . import (
    attention,
    contraction,
    convolution,
    dense,
    factory,
    joining,
    normalisation,
    patches,
    picking,
    pointwise,
    pooling,
    recurrent,
    reduction,
    sampling,
    selection,
    shape,
)
from ._base import Rule

_RULES_OF: dict[Rule, tuple[str, ...]] = {
    convolution.convolution: ("conv1d", "conv2d", "conv3d"),
    convolution.transposed_convolution: ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
    dense.linear: ("linear",),
    dense.matmul: ("matmul", "bmm", "mm", "mv", "dot", "vdot"),
    dense.added_product: ("addmm", "baddbmm", "addmv"),
    dense.einsum: ("einsum",),
    dense.chain: ("linalg_multi_dot", "chain_matmul"),
    dense.embedding: ("embedding",),
    contraction.tensordot: ("tensordot",),
    contraction.inner: ("inner",),
    contraction.outer: ("outer", "ger", "addr"),
    contraction.bilinear: ("bilinear",),
    contraction.summed_products: ("addbmm",),
    contraction.distances: ("cdist",),
    contraction.similarity: ("cosine_similarity", "linalg_vecdot"),
    contraction.pair_distance: ("pairwise_distance",),
    attention.attention: ("scaled_dot_product_attention",),
    normalisation.batch_norm: ("batch_norm", "instance_norm"),
    normalisation.layer_norm: ("layer_norm", "rms_norm"),
    normalisation.group_norm: ("group_norm",),
    pointwise.of_the_first: ("type_as", "zeros_like", "ones_like", "full_like"),
    pointwise.prelu: ("prelu",),
    pointwise.gated: ("glu",),
    pooling.spatial: (
        "max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
        "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
        "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d",
        "max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices",
        "upsample_linear1d", "upsample_nearest1d", "upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d",
        "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa", "_upsample_nearest_exact1d", "_upsample_nearest_exact2d",
        "_upsample_nearest_exact3d", "upsample_nearest3d", "upsample_trilinear3d",
    ),
    recurrent.layer: ("gru", "lstm", "rnn_tanh", "rnn_relu"),
    recurrent.cell: ("gru_cell", "lstm_cell", "rnn_tanh_cell", "rnn_relu_cell"),
    reduction.total: ("sum", "nansum", "count_nonzero", "any", "linalg_vector_norm", "norm"),
    reduction.statistic: (
        "mean", "nanmean", "amax", "amin", "var", "std", "var_mean", "std_mean", "logsumexp", "prod", "all",
    ),
    reduction.softmax: ("softmax", "log_softmax"),
    selection.extreme: ("max", "min", "median", "nanmedian", "mode", "aminmax"),
    selection.position: ("argmax", "argmin", "kthvalue"),
    selection.ordered: ("sort", "msort", "argsort", "topk", "diff"),
    selection.gather: ("gather", "take_along_dim"),
    sampling.grid_sampler: ("grid_sampler", "grid_sampler_2d", "grid_sampler_3d"),
    sampling.affine_grid: ("affine_grid_generator",),
    sampling.unpool: ("max_unpool2d", "max_unpool3d"),
    sampling.embedding_bag: ("embedding_bag", "_embedding_bag", "_embedding_bag_forward_only"),
    sampling.fake_quantise: (
        "fake_quantize_per_tensor_affine", "fake_quantize_per_channel_affine",
        "_fake_quantize_learnable_per_tensor_affine", "_fake_quantize_learnable_per_channel_affine",
    ),
    shape.flatten: ("flatten",),
    shape.reshape: ("reshape", "view"),
    shape.reshape_as: ("reshape_as", "view_as"),
    shape.permute: ("permute",),
    shape.transpose: ("transpose", "swapaxes", "swapdims", "t", "mT"),
    shape.move: ("movedim", "moveaxis"),
    shape.squeeze: ("squeeze",),
    shape.unsqueeze: ("unsqueeze",),
    shape.expand: ("expand",),
    shape.expand_as: ("expand_as",),
    shape.repeat: ("repeat", "tile"),
    shape.repeat_interleave: ("repeat_interleave",),
    joining.cat: ("cat", "concat", "concatenate"),
    joining.stack: ("stack",),
    joining.meshgrid: ("meshgrid",),
    joining.split: ("split_with_sizes",),
    joining.pad: ("pad", "constant_pad_nd"),
    picking.slice_: ("slice",),
    picking.select: ("select",),
    picking.unbind: ("unbind",),
    picking.index: ("index",),
    picking.index_select: ("index_select",),
    picking.moved: ("roll", "flip", "cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"),
    picking.triangle: ("tril", "triu"),
    picking.scattered: ("slice_scatter", "select_scatter"),
    patches.pixel_shuffle: ("pixel_shuffle",),
    patches.pixel_unshuffle: ("pixel_unshuffle",),
    patches.channel_shuffle: ("channel_shuffle",),
    patches.im2col: ("im2col",),
    patches.col2im: ("col2im",),
    patches.windows: ("unfold",),
    factory.filled: ("zeros", "ones", "full", "new_zeros", "new_ones", "new_full"),
    factory.numbered: ("arange", "linspace", "eye", "tril_indices", "triu_indices"),
}  # fmt: skip

RULES: dict[str, Rule] = {name: rule for rule, names in _RULES_OF.items() for name in names}
"""Operator name without its overload -> rule."""

NONLINEAR: frozenset[str] = frozenset(
    {
        "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "hardtanh", "softsign",
        "hardswish", "hardsigmoid", "sigmoid", "log_sigmoid", "tanh", "softplus", "softshrink", "hardshrink",
        "threshold", "clamp", "clamp_min", "clamp_max", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "pow", "abs",
        "square", "reciprocal", "maximum", "minimum", "sign", "floor", "ceil", "round", "sin", "cos", "erf", "atan2",
        "where", "masked_fill", "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_not",
        "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not", "bitwise_left_shift",
        "bitwise_right_shift", "floor_divide", "remainder", "fmod",
    }
)  # fmt: skip
"""Pointwise operators that are not linear in their input."""

LINEAR: frozenset[str] = frozenset(
    {
        "add", "sub", "rsub", "mul", "div", "neg", "conj", "addcmul", "addcdiv", "lerp", "clone", "contiguous",
        "detach", "alias", "lift_fresh_copy", "dropout", "feature_dropout", "alpha_dropout", "to", "_to_copy",
    }
)  # fmt: skip
"""Pointwise operators that are linear in each input."""

POINTWISE: frozenset[str] = NONLINEAR | LINEAR


def rule_of(operator: str) -> Rule | None:
    """Return the rule of an operator, or None where it is unknown."""
    return pointwise.pointwise if operator in POINTWISE else RULES.get(operator)
