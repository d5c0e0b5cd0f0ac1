"""Cut one document into chunks for an external tool: python examples/basic.py manual.txt [model]."""

import sys

from synth import SyntheticDataKit

document, model = [*sys.argv[1:], "bundled/smollm2"][:2]

with SyntheticDataKit.from_pretrained(
    model_name=model,
    max_seq_length=2048,
    gpu_memory_utilization=0.9,
) as kit:
    kit.prepare_qa_generation(
        output_folder="my_data",
        max_generation_tokens=512,
        temperature=0.7,
        default_num_pairs=25,
    )
    files = kit.chunk_data(document)
    print(f"{len(files)} chunks, the first is {files[0]}")
    print(f"synthetic-data-kit -c synthetic_data_kit_config.yaml create {files[0]} --type qa")

print("the server is gone")
