"""Closed-form multiply-accumulates of torch's kernels, and the list of kernels that have none.

One multiply-accumulate is a product that is added to a sum: `y += a * b`. As everywhere in this package,
biases, activations, normalisation, pooling, resizing by interpolation, and elementwise arithmetic count as
none. Products with the padding of a convolution count, and so do products that a mask later hides, as in
the same computation spelled out with matrix products.

Source: the definitions in torch's documentation of each function; torch.utils.flop_counter for the kernels
that it knows (half of its numbers).
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor


class Uncountable(Exception):
    """A kernel with a formula, called in a way that the formula does not cover."""


Formula = Callable[[Any, Sequence[Any], Mapping[str, Any]], int]


def _convolution(out: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """Count one filter's weights per output value; transposed, per input value."""
    x, weight = args[0], args[1]
    transposed = len(args) > 6 and args[6] is True
    return (x if transposed else out).numel() * prod(weight.shape[1:])


def _correlation(out: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    return out.numel() * prod(args[1].shape[1:])


def _product(first: int) -> Formula:
    """Return the formula of a matrix product `[... n k] [... k m]` of arguments `first` and `first + 1`."""

    def count(out: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
        a, b = args[first], args[first + 1]
        _dense(a, b)
        return a.numel() * (b.shape[-1] if b.ndim > 1 else 1)

    return count


def _dense(*tensors: Tensor) -> None:
    if any(t.layout not in _STRIDED for t in tensors):
        raise Uncountable  # how many values a sparse factor holds decides


def _dense_layer(out: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    return args[0].numel() * out.shape[-1]


def _attention(out: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """Count `q kT` and weights times `v`, over all keys: `[... l e] [... s e] [... s d]`."""
    q, k, v = args[:3]
    return prod(q.shape[:-1]) * k.shape[-2] * (q.shape[-1] + v.shape[-1])


def _attention_tokens_first(out: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """Count attention as `_attention`, for `[b l heads e]`."""
    q, k, v = args[:3]
    return prod(q.shape[:-1]) * k.shape[-3] * (q.shape[-1] + v.shape[-1])


def _multi_head(out: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """Count the projections of query, key and value, attention, and the output projection."""
    q, k = args[0], args[1]
    if q.is_nested:
        raise Uncountable
    b, tokens, width = q.shape
    keys = k.shape[1]
    projections = b * width * width * (2 * tokens + 2 * keys)
    return projections + 2 * b * tokens * keys * width


def _encoder_layer(out: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """Count self-attention and the two dense layers behind it.

    The first four floating point matrices among the arguments from index 3 on are their weights.
    """
    x = args[0]
    dense = [w for w in args[3:] if isinstance(w, Tensor) and w.ndim == 2 and w.is_floating_point()]
    if x.is_nested or len(dense) < 4:
        raise Uncountable
    b, tokens, width = x.shape
    return b * tokens * sum(w.numel() for w in dense[:4]) + 2 * b * tokens * tokens * width


def _recurrent(out: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """Count every weight matrix once for each step of each sequence."""
    x = args[0]
    weights = tuple(args[1]) if isinstance(args[1], (list, tuple)) else tuple(args[1:5])
    return prod(x.shape[:-1]) * sum(w.numel() for w in weights if w is not None and w.ndim == 2)


def _trilinear(out: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """Count `nn.Bilinear`: rows `x` times weights `[o i j]`, then times `z`: o*i*j + o*j for each row."""
    x, weight, z = args[:3]
    if weight.ndim != 3 or x.ndim != 2 or z.ndim != 2:
        raise Uncountable
    return len(x) * (weight.numel() + weight.shape[0] * weight.shape[2])


def _euclidean(out: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """Count distances by a matrix product of rows extended by two: `|x|^2 + |y|^2 - 2 x y`."""
    return out.numel() * (args[0].shape[-1] + 2)


def _embedding_bag(out: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """Count sums of embedding rows: products only where each row has a weight."""
    weights = args[6] if len(args) > 6 else kwargs.get("per_sample_weights")
    return 0 if weights is None else args[1].numel() * args[0].shape[1]


def _quantised_convolution(out: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    weight = args[1].unpack()[0]
    return out.numel() * prod(weight.shape[1:])


def _formulas() -> dict[str, Formula]:
    table: dict[str, Formula] = {}

    def put(names: str, formula: Formula) -> None:
        table.update(dict.fromkeys(names.split(), formula))

    put("convolution _convolution convolution_overrideable", _convolution)
    put(
        "cudnn_convolution mkldnn_convolution miopen_convolution _slow_conv2d_forward slow_conv3d_forward"
        " conv_depthwise3d _conv_depthwise2d cudnn_convolution_relu cudnn_convolution_add_relu"
        " slow_conv_dilated2d slow_conv_dilated3d torchvision::deform_conv2d",
        _correlation,
    )
    put("mm bmm mv dot vdot _int_mm _scaled_mm", _product(0))
    put("addmm _addmm_activation baddbmm addbmm addmv", _product(1))
    put(
        "mkldnn_linear linear quantized::linear quantized::linear_relu quantized::linear_dynamic"
        " quantized::linear_relu_dynamic quantized::linear_dynamic_fp16",
        _dense_layer,
    )
    put(
        "_scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_flash_attention"
        " _scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention"
        " _scaled_dot_product_fused_attention_overrideable _scaled_dot_product_attention_math_for_mps"
        " higher_order::flex_attention",
        _attention,
    )
    put("_flash_attention_forward _efficient_attention_forward", _attention_tokens_first)
    put("_native_multi_head_attention", _multi_head)
    put("_transformer_encoder_layer_fwd", _encoder_layer)
    put("mkldnn_rnn_layer _cudnn_rnn miopen_rnn", _recurrent)
    put("_trilinear", _trilinear)
    put("_euclidean_dist", _euclidean)
    put("_embedding_bag _embedding_bag_forward_only", _embedding_bag)
    put(
        "quantized::conv1d quantized::conv1d_relu quantized::conv2d quantized::conv2d_relu"
        " quantized::conv3d quantized::conv3d_relu",
        _quantised_convolution,
    )
    return table


_STRIDED = (torch.strided, torch._mkldnn)  # pyright: ignore[reportAttributeAccessIssue]

FORMULAS: dict[str, Formula] = _formulas()
"""By the name of a kernel: its multiply-accumulates as a function of its result and arguments."""

_FREE_WORDS = """
    _adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_avg_pool2d adaptive_max_pool2d adaptive_max_pool3d
    avg_pool1d avg_pool2d avg_pool3d max_pool2d_with_indices max_pool3d_with_indices max_pool1d max_pool2d
    max_unpool2d max_unpool3d fractional_max_pool2d fractional_max_pool3d mkldnn_max_pool2d mkldnn_max_pool3d
    quantized_max_pool2d mkldnn_adaptive_avg_pool2d
    native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training cudnn_batch_norm
    miopen_batch_norm batch_norm _batch_norm_with_update _batch_norm_no_update batch_norm_update_stats
    native_layer_norm native_group_norm _fused_rms_norm renorm _weight_norm_interface linalg_vector_norm norm
    native_dropout bernoulli _softmax _log_softmax _safe_softmax _masked_softmax glu _prelu_kernel
    rrelu_with_noise
    rrelu_with_noise_functional log_sigmoid_forward _thnn_fused_lstm_cell _thnn_fused_gru_cell
    upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d
    _upsample_nearest_exact2d _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d
    upsample_trilinear3d upsample_bicubic2d _upsample_bilinear2d_aa _upsample_bicubic2d_aa
    sum mean nansum amax amin aminmax max min any all argmax argmin std var std_mean var_mean logsumexp median
    nanmedian mode kthvalue count_nonzero cumsum cummax cummin _cummax_helper _cummin_helper logcumsumexp
    sort topk argsort msort unique_dim _unique _unique2 unique_consecutive unique_dim_consecutive nonzero
    nonzero_static bucketize searchsorted histc bincount is_nonzero equal isin isin_Tensor_Tensor
    cat concat stack split split_with_sizes unsafe_split unsafe_split_with_sizes chunk unsafe_chunk unbind
    split_copy hstack vstack index index_select index_put _index_put_impl index_add index_copy index_fill
    _unsafe_index _unsafe_index_put _unsafe_masked_index gather scatter scatter_add scatter_reduce
    select_scatter
    slice_scatter diagonal_scatter as_strided_scatter masked_select masked_scatter masked_fill take put where
    index_reduce embedding _embedding embedding_renorm one_hot im2col col2im pixel_shuffle pixel_unshuffle
    channel_shuffle native_channel_shuffle constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d
    replication_pad1d replication_pad2d replication_pad3d roll flip rot90 repeat repeat_interleave tril triu
    tril_indices triu_indices diag_embed diag diagonal block_diag trace kron
    clone copy _to_copy to contiguous _pin_memory lift lift_fresh lift_fresh_copy detach alias set resize
    resize_as _resize_output _unsafe_view _reshape_alias _reshape_copy view_as_real view_as_complex view
    reshape expand permute transpose t squeeze unsqueeze slice select unfold as_strided narrow numpy_T
    view_copy expand_copy permute_copy _conj conj _neg_view resolve_conj resolve_neg _conj_physical real imag
    complex polar empty empty_like empty_strided new_empty new_empty_strided new_zeros new_ones new_full zeros
    zeros_like ones ones_like full full_like fill zero scalar_tensor arange linspace logspace eye range
    rand rand_like randn randn_like randint randint_like randperm normal uniform random exponential
    multinomial cauchy log_normal geometric normal_functional hamming_window hann_window
    _local_scalar_dense item is_same_size sym_size sym_stride sym_numel sym_storage_offset is_pinned
    _has_compatible_shallow_copy_type _version is_contiguous _assert_async _assert_tensor_metadata
    _assert_scalar quantize_per_tensor quantize_per_tensor_dynamic quantize_per_channel dequantize
    q_scale q_zero_point int_repr fake_quantize_per_tensor_affine_cachemask
    fake_quantize_per_channel_affine_cachemask _fake_quantize_learnable_per_tensor_affine
    _make_per_tensor_quantized_tensor _fused_moving_avg_obs_fq_helper _pack_padded_sequence
    _pad_packed_sequence pad_sequence _nested_tensor_from_mask to_sparse to_dense _to_dense _to_sparse
    _coalesce _indices _values coalesce torchvision::nms _linalg_check_errors _empty_affine_quantized
    _empty_per_channel_affine_quantized quantized::linear_prepack quantized::conv1d_prepack
    quantized::conv2d_prepack quantized::conv3d_prepack
"""

FREE = frozenset(_FREE_WORDS.split())
"""Kernels without multiply-accumulates; names without the `_` of in-place forms."""
