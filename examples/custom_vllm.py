"""Every setting of the server, and a flag of vLLM's own: python examples/custom_vllm.py [model].

On a GPU with compute capability 8.0 or more add float8_kv_cache=True: twice the tokens.
"""

import sys

from synth import SyntheticDataKit

model = [*sys.argv[1:], "bundled/smollm2"][0]

kit = SyntheticDataKit(
    model_name=model,
    max_seq_length=4096,
    gpu_memory_utilization=0.95,
    conservativeness=0.9,  # nine tenths of the usual number of sequences at a time
    timeout=1800,
    enable_prefix_caching=True,  # any flag of vLLM
)
try:
    print(f"ready: {kit.check_vllm_status()}, at {kit.endpoint.base_url}")
    kit.prepare_qa_generation(output_folder="custom_data", max_generation_tokens=1024)
finally:
    kit.cleanup()
