"""GGUF files: the header, and the conversion in its worker process."""

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_gguf import CONTEXT, write_tiny_gguf

from sirius_cli.errors import EnvironmentProblem, ModelError
from sirius_cli.exit_codes import ExitCode
from sirius_cli.services import gguf_convert, gguf_worker
from sirius_cli.services.gguf_header import read_gguf_header
from sirius_cli.services.model_folder import read_facts
from sirius_cli.services.model_store import ModelStore, hash_file, key_of, read_manifest
from sirius_cli.services.models import describe, resolve
from sirius_cli.services.progress import ProgressEvent, silent

Worker = Callable[..., list[str]]


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path / "home"))
    return ModelStore(tmp_path / "home" / "models")


def worker_running(code: str) -> Worker:
    """In place of the worker: a Python process that runs ``code`` with the target folder in argv[1]."""

    def command(source: Path, folder: Path, header: object) -> list[str]:
        return [sys.executable, "-c", f"import json, os, sys, time\n{code}", str(folder)]

    return command


def say(**message: Any) -> str:
    return f"print({json.dumps(message)!r}, flush=True)"


COMPLETE = f"""
import struct
folder = sys.argv[1]
head = b'{{"a": {{"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}}}'
for name, data in (("config.json", b"{{}}"), ("tokenizer.json", b"{{}}"),
                   ("model.safetensors", struct.pack("<Q", len(head)) + head + bytes(4))):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)
{say(done=True)}
"""


def nothing_left(store: ModelStore) -> bool:
    built = [path for part in ("converted", "staging") for path in (store.root / part).glob("*")]
    return not built


def test_the_header_gives_what_the_conversion_needs(gguf: Path) -> None:
    header = read_gguf_header(gguf)
    assert header.metadata["general.architecture"] == "llama"
    assert header.ids("eos", "eot", "eom", "bos") == [1, 2]
    assert header.parameters == 99 * 8 + 8 + 2 * (2 * 8 + 4 * 64 + 3 * 128)


@pytest.mark.parametrize("raw", [b"", b"GGU", b"PK\x03\x04" + bytes(40), b"GGUF", b"GGUF" + bytes(40)])
def test_other_files_are_refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(raw)
    with pytest.raises(ModelError, match=r"bad\.gguf is (no|a corrupt) GGUF file"):
        read_gguf_header(path)


def test_a_corrupt_gguf_is_one_clear_error_and_leaves_nothing(store: ModelStore, tmp_path: Path) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(b"GGUF" + bytes(40))
    with pytest.raises(ModelError, match=r"bad\.gguf is a corrupt GGUF file") as caught:
        resolve(str(path), offline=True)
    assert caught.value.exit_code == ExitCode.MODEL_OR_DATA
    assert nothing_left(store)


@given(cut=st.integers(min_value=0))
def test_every_truncation_is_refused(gguf: Path, cut: int) -> None:
    whole = gguf.read_bytes()
    path = gguf.with_name("cut.gguf")
    path.write_bytes(whole[: cut % (len(whole) - 32)])  # the writer pads the end
    with pytest.raises(ModelError, match=r"cut\.gguf"):
        read_gguf_header(path)


@settings(deadline=None)
@given(position=st.integers(4, 3000), value=st.integers(0, 255))
def test_a_damaged_header_is_a_model_error_or_still_readable(gguf: Path, position: int, value: int) -> None:
    raw = bytearray(gguf.read_bytes())
    raw[position] = value
    path = gguf.with_name("damaged.gguf")
    path.write_bytes(raw)
    with suppress(ModelError):  # anything else fails the test
        assert read_gguf_header(path).parameters > 0


def test_a_conversion_loads_with_the_logits_of_the_gguf(gguf: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    gguf_worker.convert(gguf, tmp_path, read_gguf_header(gguf).ids("eos", "eot"), "smollm", lambda stage: None)
    direct = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    )
    converted = AutoModelForCausalLM.from_pretrained(tmp_path)
    ids = torch.arange(3, 20)[None]
    with torch.no_grad():
        assert torch.equal(converted(ids).logits, direct(ids).logits)
    assert converted.generation_config.eos_token_id == [1, 2]
    assert read_facts(tmp_path).parameters == read_gguf_header(gguf).parameters  # the tied head is not stored again
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.tokenize("a  1") == ["a", "ĠĠ", "1"]  # digits stand alone, so the blanks stay together
    assert "<eot>" in tokenizer.apply_chat_template([{"role": "user", "content": "x"}], tokenize=False)


def test_a_gguf_without_a_tensor_is_refused(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "hole.gguf", leave_out="blk.1.ffn_up.weight")
    with pytest.raises(ModelError, match=r"lacks the tensor .*1\.mlp\.up_proj"):
        gguf_worker.convert(path, tmp_path / "out", [], "", lambda stage: None)


@pytest.mark.slow
def test_resolve_converts_once_and_then_needs_no_torch(gguf: Path, store: ModelStore) -> None:
    stages: list[str] = []
    first = resolve(str(gguf), offline=True, progress=lambda event: stages.append(event.stage))
    assert any("reading the weights" in stage for stage in stages)
    assert first.name == f"{gguf.parent.name}/tiny.gguf"
    assert read_manifest(first.path).sha256 == hash_file(gguf, silent)
    code = (
        "import sys; from sirius_cli.services.models import resolve\n"
        "print(resolve(sys.argv[1], offline=True).path)\n"
        "assert not {'torch', 'transformers', 'huggingface_hub', 'gguf'} & set(sys.modules)"
    )
    again = subprocess.run([sys.executable, "-c", code, str(gguf)], capture_output=True, text=True, check=True)
    assert again.stdout.strip() == str(first.path)
    assert describe(str(gguf)).facts.context == CONTEXT


@pytest.mark.slow
def test_an_architecture_that_transformers_lacks_is_named(store: ModelStore, tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "odd.gguf", architecture="oddity")
    with pytest.raises(ModelError, match=r"odd\.gguf \(oddity\) cannot be converted: .*oddity"):
        resolve(str(path), offline=True)
    assert nothing_left(store)


FAILURES = {
    "disk": (say(fault="disk", detail="x"), EnvironmentProblem, "disk with .* is full"),
    "memory": (say(fault="memory", detail="x"), EnvironmentProblem, "out of memory while converting"),
    "killed": ("os.kill(os.getpid(), 9)", EnvironmentProblem, "out of memory while converting"),
    "model": (say(fault="model", detail="odd tensor"), ModelError, r"\(llama\) cannot be converted: odd tensor"),
    "crash": ("os._exit(7)", ModelError, "ended with status 7"),
    "incomplete": (say(done=True), ModelError, "has no weights"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failed_conversion_is_one_clear_error_and_leaves_nothing(
    case: str, gguf: Path, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, kind, words = FAILURES[case]
    half = "open(os.path.join(sys.argv[1], 'half'), 'w').write('x')\n"
    monkeypatch.setattr(gguf_convert, "_command", worker_running(half + code))
    with pytest.raises(kind, match=words) as caught:
        resolve(str(gguf), offline=True)
    assert "\n" not in str(caught.value)
    assert nothing_left(store)


def test_a_full_disk_while_finishing_leaves_nothing(
    gguf: Path, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(gguf_convert, "_command", worker_running(COMPLETE))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnvironmentProblem, match="is full") as caught:
        resolve(str(gguf), offline=True)
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    assert nothing_left(store)


def test_too_little_free_space_is_said_before_the_work(
    gguf: Path, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(gguf)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(gguf_convert, "_command", worker_running("raise SystemExit('must not start')"))
    with pytest.raises(EnvironmentProblem, match=r"not enough disk space to convert .* 64 MB needed, 1 MB free"):
        resolve(str(gguf), offline=True)
    assert nothing_left(store)


def test_ctrl_c_ends_the_worker_and_leaves_nothing(
    gguf: Path, store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid_file = tmp_path / "pid"
    code = f"open({str(pid_file)!r}, 'w').write(str(os.getpid()))\n{say(stage='started')}\ntime.sleep(60)"

    def interrupt(event: ProgressEvent) -> None:
        if "started" in event.stage:
            raise KeyboardInterrupt

    monkeypatch.setattr(gguf_convert, "_command", worker_running(code))
    with pytest.raises(KeyboardInterrupt):
        resolve(str(gguf), offline=True, progress=interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
    assert nothing_left(store)


def test_the_worker_dies_with_its_parent(gguf: Path, tmp_path: Path) -> None:
    command = gguf_convert._command(gguf, tmp_path, read_gguf_header(gguf))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=30) == 1


def test_two_at_once_convert_once(gguf: Path, store: ModelStore, tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = f"""
import sys
from sirius_cli.services import gguf_convert, models
worker = {f"import json, os, sys, time; open({str(log)!r}, 'a').write('x'); time.sleep(0.5)" + COMPLETE!r}
gguf_convert._command = lambda source, folder, header: [sys.executable, "-c", worker, str(folder)]
print(models.resolve(sys.argv[1], offline=True).path)
"""
    both = [
        subprocess.Popen([sys.executable, "-c", code, str(gguf)], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    outputs = {process.communicate(timeout=60)[0] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert len(outputs) == 1
    assert log.read_text() == "x"


def test_a_waiting_process_says_so(gguf: Path, store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_convert, "_command", worker_running(COMPLETE))
    stages: list[str] = []
    waiting = threading.Event()

    def note(event: ProgressEvent) -> None:
        stages.append(event.stage)
        if "Waiting" in event.stage:
            waiting.set()

    thread = threading.Thread(target=resolve, args=(str(gguf),), kwargs={"offline": True, "progress": note})
    with store.locked(key_of(hash_file(gguf, silent)), silent):
        thread.start()
        assert waiting.wait(30)
    thread.join(30)
    assert store.converted(hash_file(gguf, silent)).is_dir()


def test_the_build_of_a_dead_process_is_swept_and_a_living_one_stays(store: ModelStore) -> None:
    for key in ("dead", "living"):
        (store.root / "staging" / key).mkdir(parents=True)
    holder = "import sys, time; from sirius_cli.services.model_store import ModelStore; from pathlib import Path\n"
    holder += "with ModelStore(Path(sys.argv[1])).locked('living', print): print('locked', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", holder, str(store.root)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        store.sweep()
        assert [path.name for path in (store.root / "staging").iterdir()] == ["living"]
        process.kill()
    store.sweep()
    assert nothing_left(store)


def test_a_hash_is_remembered_until_the_file_changes(store: ModelStore, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    reads: list[ProgressEvent] = []
    first = store.sha256(path, reads.append)
    assert store.sha256(path, reads.append) == first
    assert len(reads) == 1
    path.write_bytes(b"two")
    os.utime(path, ns=(time.time_ns(), time.time_ns() + 1))
    assert store.sha256(path, reads.append) == hash_file(path, silent) != first


def test_a_damaged_hash_record_is_made_anew(store: ModelStore, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    digest = store.sha256(path, silent)
    (record,) = (store.root / "hashes").iterdir()
    record.write_text("[")
    assert store.sha256(path, silent) == digest


def test_a_folder_that_may_not_be_written_is_an_environment_problem(
    gguf: Path, store: ModelStore, tmp_path: Path
) -> None:
    (tmp_path / "home").write_text("a file is in the way")
    with pytest.raises(EnvironmentProblem, match="cannot write to"):
        resolve(str(gguf), offline=True)
