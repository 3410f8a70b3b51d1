"""Tokens: the stream of texts equals decoding at once, and chats render as transformers renders them."""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from sirius_cli.engine.tokens import Detokeniser, Tokens
from sirius_cli.errors import ModelError, UsageError

CORPUS = [
    "The quick brown fox jumps over the lazy dog. Grüße aus Köln, señor! 你好,世界 こんにちは 🙂🙃 👩‍👩‍👧 \ufffd end",
    "def add(a, b):\n    return a + b\n\n\n\tprint('x', 1.5e-3)  # comment",
] * 3
SPECIAL = ["<s>", "</s>", "<|user|>"]


@cache
def byte_level() -> Tokenizer:
    """As GPT-2, Llama 3, Qwen and SmolLM have it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


@cache
def byte_fallback() -> Tokenizer:
    """As Llama 2, Mistral and Gemma have it: blanks as a letter, the first one dropped, raw byte tokens."""
    raw = [f"<0x{byte:02X}>" for byte in range(256)]
    words = ["", "▁", "▁▁", "▁a", "a", "b", "▁Hello", "lo", "é", "�", "▁�", ".", "▁."]
    vocabulary = {token: index for index, token in enumerate(["<unk>", *SPECIAL, *raw, *words])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(["<unk>", *SPECIAL])
    return tokenizer


@cache
def metaspace() -> Tokenizer:
    """As T5 and XLM have it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


@cache
def word_suffix() -> Tokenizer:
    """As the first GPT has it: the end of a word is marked."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.BPEDecoder()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=SPECIAL, end_of_word_suffix="</w>", show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


KINDS = [byte_level, byte_fallback, metaspace, word_suffix]


def stream(tokens: Tokens, ids: list[int]) -> str:
    detokeniser = Detokeniser(tokens)
    return "".join([detokeniser.push(token_id) for token_id in ids]) + detokeniser.flush()


def any_ids(tokens: Tokenizer) -> st.SearchStrategy[list[int]]:
    """Ids of the vocabulary, often its last, and a few past its end, as models with padded embeddings can emit."""
    size = tokens.get_vocab_size()
    return st.lists(st.integers(0, size + 3) | st.integers(size - 14, size - 1), max_size=40)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=200)
@given(st.data())
def test_the_stream_of_any_ids_is_their_text(kind: Callable[[], Tokenizer], data: st.DataObject) -> None:
    ids = data.draw(any_ids(kind()))
    tokens = Tokens(kind())
    assert stream(tokens, ids) == tokens.decode(ids)


@pytest.mark.parametrize("kind", [byte_level, byte_fallback])
@settings(deadline=None)
@given(st.data())
def test_the_stream_of_broken_characters_is_their_text(kind: Callable[[], Tokenizer], data: st.DataObject) -> None:
    """Mostly lone bytes, valid and not, which a plain draw of ids seldom puts side by side."""
    tokens = Tokens(kind())
    loose = [i for i in range(kind().get_vocab_size()) if "\ufffd" in tokens.decode([i])]
    ids = data.draw(st.lists(st.sampled_from(loose) | st.integers(0, kind().get_vocab_size() - 1), max_size=60))
    assert stream(tokens, ids) == tokens.decode(ids)


@pytest.mark.parametrize("kind", [byte_level, byte_fallback])
@settings(deadline=None)
@given(st.text(max_size=30))
@example(" leading blank, 🙂 and 你好 and an é")
@example("👩‍👩‍👧🙂")
def test_text_comes_back_through_encode_and_the_stream(kind: Callable[[], Tokenizer], text: str) -> None:
    tokens = Tokens(kind())
    assert stream(tokens, tokens.encode(text, special=False)) == text


@settings(deadline=None)
@given(st.data())
def test_text_is_released_as_soon_as_it_is_certain(data: st.DataObject) -> None:
    """With byte-level tokens at most one unfinished character is ever held back."""
    tokens = Tokens(byte_level())
    ids = data.draw(any_ids(byte_level()))
    detokeniser, released = Detokeniser(tokens), ""
    for count, token_id in enumerate(ids, start=1):
        released += detokeniser.push(token_id)
        whole = tokens.decode(ids[:count])
        assert released == whole.removesuffix("\ufffd")


class Counting:
    """Counts the tokens that are decoded."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self.decoded = 0
        self.is_silent = tokens.is_silent
        self.is_raw_byte = tokens.is_raw_byte

    def decode(self, ids: list[int]) -> str:
        self.decoded += len(ids)
        return self._tokens.decode(ids)


@pytest.mark.parametrize(
    ("kind", "token"),
    [
        (byte_level, "a"),
        (byte_level, "Ã"),
        (byte_fallback, "a"),
        (byte_fallback, "\ufffd"),
        (byte_fallback, "<0xC3>"),
        (metaspace, "a"),
        (word_suffix, "a"),
    ],
)
def test_the_work_grows_with_the_text_and_no_faster(kind: Callable[[], Tokenizer], token: str) -> None:
    """``Ã`` is how byte-level vocabularies spell the byte 0xC3, which alone is a broken character."""
    repeated = kind().token_to_id(token)
    assert repeated is not None

    def work(length: int) -> int:
        vocabulary = Counting(Tokens(kind()))
        detokeniser = Detokeniser(vocabulary)
        for _ in range(length):
            detokeniser.push(repeated)
        detokeniser.flush()
        return vocabulary.decoded

    assert work(400) <= work(800) <= 2.5 * work(400)


@pytest.mark.parametrize("broken", range(1, 20))
def test_a_textless_token_after_broken_characters_changes_nothing(broken: int) -> None:
    tokens = Tokens(byte_fallback())
    vocabulary = byte_fallback().get_vocab()
    ids = [vocabulary[token] for token in ["\ufffd"] * broken + ["", "▁a", "", "▁a"]]
    assert stream(tokens, ids) == "\ufffd" * broken + " a a"


def test_a_flushed_detokeniser_is_as_new() -> None:
    tokens = Tokens(byte_fallback())
    detokeniser = Detokeniser(tokens)
    ids = tokens.encode("Hello lo", special=False)
    texts = ["".join(map(detokeniser.push, ids)) + detokeniser.flush() for _ in range(2)]
    assert texts == [tokens.decode(ids)] * 2


TEMPLATES = {
    "plain": "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m.content }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}",
    "blocks": "{{ bos_token }}\n  {%- for m in messages %}\n    {% if loop.first and m.role != 'system' %}\n"
    "  [no system]\n    {% endif %}\n    {{- m.content | trim }}\n  {% endfor %}\n",
    "generation": "{% for m in messages %}{% generation %}\n{% set x = m.content %}{{ x }}!{% endgeneration %}\n"
    "{{ x is defined }}{% endfor %}",
    "loop controls": "{% for m in messages %}{% if m.role == 'user' %}{% continue %}{% endif %}{{ m.content }}"
    "{% break %}{% endfor %}",
    "json and namespace": "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}"
    "{{ m | tojson }}{{ m | tojson(indent=2) }}{% endfor %}{{ ns.n }}{{ pad_token is defined }}{{ tools is none }}"
    "{{ dict(a=1) }}",
}
CHATS = [
    [{"role": "user", "content": "Hi <b>\"you\"</b> & 'é' 🙂\n"}],
    [{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "Hi"}],
    [
        {"role": "user", "content": "{{ 1 + 1 }}"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "Sure?</s>"},
    ],
]


def model_folder(folder: Path, tokenizer: Tokenizer, **config: Any) -> Path:
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"} | config
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "eos_token_id": 1}))
    return folder


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES.keys())
@pytest.mark.parametrize("shape", ["file", "string", "list"])
def test_chats_render_as_in_transformers(tmp_path: Path, template: str, shape: str) -> None:
    transformers = pytest.importorskip("transformers")
    config: dict[str, Any] = {}
    if shape == "string":
        config["chat_template"] = template
    if shape == "list":
        other = {"name": "tool_use", "template": "{{ raise_exception('not this one') }}"}
        config["chat_template"] = [other, {"name": "default", "template": template}]
    folder = model_folder(tmp_path / "model", byte_level(), **config)
    if shape == "file":
        (folder / "chat_template.jinja").write_text(template)
    tokens = Tokens.load(folder)
    theirs = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    for chat in CHATS:
        expected = theirs.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
        assert tokens.chat(chat) == expected
    assert tokens.has_chat_template


@pytest.mark.parametrize("kind", [byte_level, byte_fallback])
def test_encoding_and_decoding_are_those_of_transformers(tmp_path: Path, kind: Callable[[], Tokenizer]) -> None:
    transformers = pytest.importorskip("transformers")
    extra = {"content": "<|new|>", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    tokenizer = Tokenizer.from_str(kind().to_str())
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding()
    added = {str(tokenizer.get_vocab_size()): {**extra, "special": True}}
    folder = model_folder(tmp_path / "model", tokenizer, added_tokens_decoder=added, pad_token="b")
    tokens, theirs = Tokens.load(folder), transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    for text in [*CORPUS, "", "a<|new|>b</s> b b", "<s>Hello"]:
        for special in (False, True):
            ids = tokens.encode(text, special=special)
            assert ids == theirs.encode(text, add_special_tokens=special)
            assert tokens.decode(ids) == theirs.decode(ids, skip_special_tokens=True)


def test_a_declared_token_past_the_vocabulary_gets_no_id(tmp_path: Path) -> None:
    tokens = Tokens.load(model_folder(tmp_path / "model", byte_level(), pad_token="<pad>"))
    assert max(tokens.encode("<pad>", special=False)) < byte_level().get_vocab_size()


def test_a_model_without_template_names_raw(tmp_path: Path) -> None:
    tokens = Tokens.load(model_folder(tmp_path / "model", byte_level()))
    assert not tokens.has_chat_template
    with pytest.raises(UsageError, match=r"no chat template; .*--raw"):
        tokens.chat(CHATS[0])


def test_a_template_may_refuse() -> None:
    tokens = Tokens(byte_level(), template="{{ raise_exception('no system prompt here') }}")
    with pytest.raises(UsageError, match="no system prompt here"):
        tokens.chat(CHATS[1])


@pytest.mark.parametrize(
    "template",
    [
        "{% for %}",
        "{{ 1 + 'a' }}",
        "{{ messages.nothing.at.all }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{{ 1 // 0 }}",
    ],
)
def test_a_broken_or_prying_template_is_the_models_fault(template: str) -> None:
    with pytest.raises(ModelError, match="chat template is broken"):
        Tokens(byte_level(), template=template).chat(CHATS[0])


@pytest.mark.parametrize(
    ("generation", "config", "expected"),
    [
        ({"eos_token_id": [5, 6]}, {"eos_token_id": 1}, {5, 6}),
        ({"eos_token_id": 5}, {"eos_token_id": 1}, {5}),
        ({"eos_token_id": None}, {"eos_token_id": 1}, {1}),
        ({}, {"eos_token_id": [1, 2]}, {1, 2}),
        (None, {}, set()),
    ],
)
def test_what_ends_an_answer(
    tmp_path: Path, generation: dict[str, Any] | None, config: dict[str, Any], expected: set[int]
) -> None:
    folder = model_folder(tmp_path / "model", byte_level())
    (folder / "config.json").write_text(json.dumps(config))
    if generation is not None:
        (folder / "generation_config.json").write_text(json.dumps(generation))
    assert Tokens.load(folder).eos_ids == expected


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("tokenizer.json", b"{", "cannot read"),
        ("tokenizer_config.json", b"{", "is not JSON"),
        ("tokenizer_config.json", b"[]", "must hold a JSON object"),
        ("tokenizer_config.json", b'{"chat_template": [1]}', "chat template .* cannot be read"),
        ("tokenizer_config.json", b'{"added_tokens_decoder": {"1": 3}}', "cannot read"),
        ("generation_config.json", b'{"eos_token_id": "</s>"}', "must be an id or a list of ids"),
        ("chat_template.jinja", b"\xff", "chat template .* cannot be read"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    folder = model_folder(tmp_path / "model", byte_level())
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=words) as caught:
        Tokens.load(folder)
    assert "\n" not in str(caught.value)


def test_a_folder_without_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no tokenizer; it needs a tokenizer\.json"):
        Tokens.load(tmp_path)


@pytest.mark.slow
def test_a_broken_tokenizer_of_an_older_format(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    (tmp_path / "tokenizer.model").write_bytes(b"no such thing")
    with pytest.raises(ModelError, match="has a tokenizer that cannot be read") as caught:
        Tokens.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_older_formats_are_left_to_transformers(tmp_path: Path) -> None:
    """GPT-2 and OPT come as vocab.json and merges.txt."""
    byte_level().model.save(str(tmp_path))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GPT2Tokenizer"}))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    tokens = Tokens.load(tmp_path)
    ids = tokens.encode("The quick fox 🙂", special=False)
    assert ids == byte_level().encode("The quick fox 🙂").ids
    assert stream(tokens, ids) == "The quick fox 🙂"


def test_text_that_is_no_unicode() -> None:
    with pytest.raises(UsageError, match="no valid Unicode at character 1"):
        Tokens(byte_level()).encode("a\udcff", special=False)


def test_special_tokens_have_no_text() -> None:
    tokenizer = Tokenizer.from_str(byte_level().to_str())
    tokenizer.add_tokens([AddedToken("<plain>", special=False)])
    tokens = Tokens(tokenizer)
    ids = tokens.encode("a<s>b</s><plain>", special=False)
    assert stream(tokens, ids) == tokens.decode(ids) == "ab<plain>"


@pytest.mark.model
def test_the_real_model_agrees_with_transformers(smollm2: Path) -> None:
    transformers = pytest.importorskip("transformers")
    tokens, theirs = Tokens.load(smollm2), transformers.AutoTokenizer.from_pretrained(smollm2)
    for chat in CHATS:
        assert tokens.chat(chat) == theirs.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
    for text in CORPUS:
        ids = tokens.encode(text, special=True)
        assert ids == theirs.encode(text)
        assert tokens.decode(ids) == theirs.decode(ids, skip_special_tokens=True)
    assert tokens.eos_ids == {theirs.convert_tokens_to_ids("<|im_end|>")}


@pytest.mark.model
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 49200), max_size=40), st.text(max_size=30))
def test_the_stream_of_the_real_model_is_its_text(smollm2: Path, ids: list[int], text: str) -> None:
    tokens = real_tokens(smollm2)
    for some in (ids, tokens.encode(text, special=False)):
        assert stream(tokens, some) == tokens.decode(some)


@cache
def real_tokens(folder: Path) -> Tokens:
    return Tokens.load(folder)


def test_tokens_load_neither_torch_nor_transformers(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", byte_level(), chat_template=TEMPLATES["plain"])
    code = (
        "import sys, pathlib\n"
        "from sirius_cli.engine.tokens import Tokens\n"
        "Tokens.load(pathlib.Path(sys.argv[1])).chat([{'role': 'user', 'content': 'Hi'}])\n"
        "sys.exit(sum(name in sys.modules for name in ('torch', 'transformers')))\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(folder)], check=False).returncode == 0


def test_a_first_token_that_is_there_already_is_not_added_again() -> None:
    tokenizer = Tokenizer.from_str(byte_level().to_str())
    first = tokenizer.token_to_id("<s>")
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", first)])
    tokens = Tokens(tokenizer, special_tokens={"bos_token": "<s>"})
    ids = tokens.encode_prompt("The fox")
    assert ids[0] == first
    assert first not in ids[1:]
    assert tokens.encode_prompt("<s>The fox") == ids
    assert Tokens(byte_level()).encode_prompt("The fox") == ids[1:]
