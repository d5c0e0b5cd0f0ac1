"""Cut every text of a folder, then make pairs: python examples/many_documents.py folder [model]."""

import sys
from pathlib import Path

from synth import SyntheticDataKit

folder, model = [*sys.argv[1:], "bundled/smollm2"][:2]

kit = SyntheticDataKit(model_name=model, max_seq_length=2048)
try:
    kit.prepare_qa_generation(
        output_folder="domain_data",
        overlap=64,
        default_num_pairs=5,
    )
    chunks = []
    for document in sorted(Path(folder).glob("*.txt")):
        files = kit.chunk_data(document)
        chunks += files
        print(f"{document}: {len(files)} chunks")
    print(f"{len(chunks)} chunks in all")

    # What the original has no method for: the pairs, here and now.
    pairs = kit.generate(folder)
    print(f"{len(pairs)} pairs are worth keeping")
    for pair in pairs[:3]:
        print(f"  {pair.question} {pair.answer}")
finally:
    kit.cleanup()
