"""Reading config.json: what is supported, and how the rest is refused."""

import json

import pytest
from tiny_models import FAMILY_NAMES, VARIANTS, make_model

from sirius_cli.engine.models.families import FAMILIES, convert, read_config
from sirius_cli.engine.models.layout import tensor_shapes
from sirius_cli.errors import ModelError


def write_config(folder, settings):
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")


def test_every_supported_family_has_a_tiny_model():
    assert tuple(sorted(FAMILIES)) == FAMILY_NAMES


@pytest.mark.parametrize("name", VARIANTS)
def test_wanted_tensors_are_those_of_transformers(name):
    model = make_model(name)
    wanted = tensor_shapes(convert(model.config))
    assert wanted == {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def test_an_unsupported_architecture_is_named_with_the_supported_ones(tmp_path):
    write_config(tmp_path, {"model_type": "mamba", "architectures": ["MambaForCausalLM"]})
    with pytest.raises(ModelError) as caught:
        read_config(tmp_path)
    assert "'mamba' model (MambaForCausalLM)" in caught.value.message
    assert caught.value.hint == "supported are " + ", ".join(FAMILY_NAMES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no config.json"),
        ("{", "cannot be read"),
        ("[]", "is not a JSON object"),
        ("{}", "holds a 'None' model"),
        ('{"model_type": "llama", "hidden_size": "wide"}', "is not a valid 'llama' config"),
        ('{"model_type": "llama", "num_attention_heads": 5}', "is not a valid 'llama' config"),
        ('{"model_type": "llama", "quantization_config": {"quant_method": "gptq"}}', "holds quantised weights"),
        ('{"model_type": "llama", "hidden_act": "tanh"}', "activation 'tanh'"),
        ('{"model_type": "llama", "num_key_value_heads": 5}', "attention of a shape that is not supported"),
        (
            '{"model_type": "llama", "rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}',
            "rotary positions of type 'dynamic' are not supported",
        ),
        ('{"model_type": "gemma2", "use_bidirectional_attention": true}', "attends to later tokens"),
        ('{"model_type": "opt", "do_layer_norm_before": false}', "normalises after its layers"),
        ('{"model_type": "opt", "word_embed_proj_dim": 512}', "projects its word embeddings"),
    ],
)
def test_a_config_that_cannot_be_run_is_refused_in_one_line(tmp_path, content, message):
    if content is not None:
        (tmp_path / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=message) as caught:
        read_config(tmp_path)
    assert "\n" not in str(caught.value)
