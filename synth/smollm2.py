"""Turn the bundled GGUF file into a folder that vLLM loads: ``python -m synth.smollm2 GGUF FOLDER``.

Runs once, in a process of its own. transformers reads GGUF but does not save a model that it
marks as quantised, so the weights go into a plain model of the same shape.
"""

import sys
from pathlib import Path


def convert(source: Path, target: Path) -> None:
    """Write ``config.json``, weights in bfloat16 and the tokenizer with its chat template."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    origin = {"pretrained_model_name_or_path": source.parent, "gguf_file": source.name}
    loaded = AutoModelForCausalLM.from_pretrained(**origin, dtype=torch.bfloat16)
    config = loaded.config
    del config.quantization_config
    config.architectures = ["LlamaForCausalLM"]
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    plain.load_state_dict(loaded.state_dict())
    plain.save_pretrained(target)
    AutoTokenizer.from_pretrained(**origin).save_pretrained(target)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
