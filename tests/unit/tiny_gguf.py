"""Writes a tiny but complete GGUF file: a llama with random weights and a byte-level tokenizer."""

from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType

HIDDEN, LAYERS, HEADS, INNER, CONTEXT = 8, 2, 2, 16, 32


def write_tiny_gguf(path: Path, *, seed: int = 0, architecture: str = "llama", leave_out: str = "") -> Path:
    """Tied embeddings, eos 1, end of turn 2; ``leave_out`` names a tensor that is missing."""
    tokens = ["<unk>", "<eos>", "<eot>", *(chr(n) for n in range(33, 127)), "Ġ", "ĠĠ"]
    writer = GGUFWriter(path, architecture)
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(len(tokens))
    _tokenizer(writer, tokens)
    random = np.random.default_rng(seed)
    for name, shape in _shapes(len(tokens)).items():
        if name != leave_out:
            writer.add_tensor(name, random.normal(0, 0.3, shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tokenizer(writer: GGUFWriter, tokens: list[str]) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL] * 3 + [TokenType.NORMAL] * (len(tokens) - 3))
    writer.add_token_merges(["Ġ Ġ"])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(1)
    writer.add_eot_token_id(2)
    writer.add_chat_template("{% for m in messages %}{{ m['content'] }}<eot>{% endfor %}")


def _shapes(vocabulary: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (vocabulary, HIDDEN), "output_norm.weight": (HIDDEN,)}
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        shapes |= {f"{block}.{norm}_norm.weight": (HIDDEN,) for norm in ("attn", "ffn")}
        shapes |= {f"{block}.attn_{part}.weight": (HIDDEN, HIDDEN) for part in ("q", "k", "v", "output")}
        shapes |= {f"{block}.ffn_{part}.weight": (INNER, HIDDEN) for part in ("gate", "up")}
        shapes[f"{block}.ffn_down.weight"] = (HIDDEN, INNER)
    return shapes
