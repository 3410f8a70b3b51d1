"""The process that reads a GGUF file through transformers and writes safetensors.

A process of its own, because the kernel may end it for want of memory, its libraries write to the terminal, and the
memory of the copy should be gone before the model is loaded. It speaks JSON lines on stdout: ``{"stage": ...}`` any
number of times, then ``{"done": true}`` or ``{"fault": "disk" | "memory" | "model", "detail": ...}``. It dies with its
parent, whose end of stdin closes.
"""

import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sirius_cli.errors import ModelError

# transformers leaves these at the split of GPT-2, but their merges were learned with single digits.
_SINGLE_DIGITS = ("smollm", "refact", "starcoder", "command-r")
_COMPOSED = ("qwen2",)  # the text is put into normal form C first


def main() -> None:
    """Convert the file of argv[1] into the folder of argv[2]; argv[3] is JSON with ``eos_ids`` and ``split``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    os.environ.update(TQDM_DISABLE="1", HF_HUB_DISABLE_PROGRESS_BARS="1", TRANSFORMERS_VERBOSITY="error")

    def send(message: dict[str, Any]) -> None:
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    source, target, options = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    try:
        convert(source, target, options["eos_ids"], options["split"], lambda stage: send({"stage": stage}))
        send({"done": True})
    except Exception as error:
        send(_fault(error))


def convert(source: Path, target: Path, eos_ids: list[int], split: str, report: Callable[[str], None]) -> None:
    """Write config, float32 safetensors, generation config and tokenizer of ``source`` into the folder ``target``.

    ``eos_ids`` end an answer; ``split`` names how the tokenizer cuts text before its merges.
    """
    report("loading transformers")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    report("reading the tokenizer")
    tokenizer: Any = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name, local_files_only=True)
    _split_as_trained(tokenizer, split)
    tokenizer.save_pretrained(target)

    report("reading the weights")
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        source.parent,
        gguf_file=source.name,
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
        local_files_only=True,
        output_loading_info=True,
    )
    model, info = loaded
    if info["missing_keys"]:
        raise ModelError(f"the file lacks the tensor {min(info['missing_keys'])}")
    if eos_ids:
        model.generation_config.eos_token_id = eos_ids

    report("writing safetensors")
    model.save_pretrained(target)
    for weights in target.glob("*.safetensors"):  # written readable by their owner only
        shutil.copymode(target / "config.json", weights)


def _split_as_trained(tokenizer: Any, split: str) -> None:
    from tokenizers import normalizers, pre_tokenizers

    if split in _SINGLE_DIGITS:
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
    if split in _COMPOSED:
        tokenizer.backend_tokenizer.normalizer = normalizers.NFC()


def _fault(error: Exception) -> dict[str, str]:
    detail = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
    text = str(error).lower()
    if "no space left" in text or "os error 28" in text or "disk quota" in text:
        return {"fault": "disk", "detail": detail}
    if isinstance(error, MemoryError) or "allocate memory" in text or "not enough memory" in text:
        return {"fault": "memory", "detail": detail}
    return {"fault": "model", "detail": detail}


def _die_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main()
