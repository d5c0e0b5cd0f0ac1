"""Train the bundled model by one step on each dataset, in an environment that has TRL.

    train.py MODEL FOLDER OUTPUT FORMAT…

Prints a JSON object: the loss and the number of rows of each format.
"""

import json
import sys
from pathlib import Path
from typing import Any

from datasets import Dataset, load_dataset, load_from_disk
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer


def load(folder: Path) -> Dataset:
    if folder.name == "hf":
        return load_from_disk(str(folder))["train"]
    return load_dataset(str(folder), cache_dir=str(folder.parent / "cache"))["train"]


def train(model: str, folder: Path, output: Path) -> dict[str, Any]:
    rows = load(folder)
    if folder.name in ("alpaca", "sharegpt", "jsonl"):  # TRL takes them only converted
        return {"rows": len(rows)}
    trainer, config = (DPOTrainer, DPOConfig) if folder.name == "dpo" else (SFTTrainer, SFTConfig)
    settings = config(
        output_dir=str(output / folder.name),
        max_steps=1,
        max_length=128,
        per_device_train_batch_size=1,
        use_cpu=True,
        bf16=False,
        model_init_kwargs={"dtype": "float32"},  # a CPU is slow with less
        gradient_checkpointing=False,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    made = trainer(model=model, args=settings, train_dataset=rows).train()
    return {"rows": len(rows), "steps": made.global_step, "loss": made.training_loss}


def main() -> None:
    model, folder, output, *names = sys.argv[1:]
    results = {name: train(model, Path(folder) / name, Path(output)) for name in names}
    print(json.dumps(results))


if __name__ == "__main__":
    main()
