"""A stand-in for synthetic-data-kit: its arguments, its files, and ways to fail.

Standard library only, run as a real process. Like the original it goes on after a file that fails,
ends with code 0 all the same, and leaves ``test_write.json`` and empty folders behind.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("--crash", action="store_true")
parser.add_argument("--fail", default="", help="names of the files that fail, with commas")
parser.add_argument("--prose", action="store_true", help="find no pair in any reply")
parser.add_argument("--delay-s", type=float, default=0, help="of each file")
parser.add_argument("-c", type=Path, required=True)
parser.add_argument("create", choices=["create"])
parser.add_argument("input", type=Path)
parser.add_argument("--type", choices=["qa"], required=True)
parser.add_argument("-o", type=Path, required=True)
options = parser.parse_args()

assert options.c.is_file()
assert not os.environ.get("OPENAI_API_KEY")
print("key:", os.environ["API_ENDPOINT_KEY"] == "key", flush=True)
if options.crash:
    sys.exit("planted crash")
Path("data/parsed").mkdir(parents=True, exist_ok=True)
for path in sorted(options.input.iterdir()):
    time.sleep(options.delay_s)
    if path.name in options.fail.split(","):
        print(f"✗ {path.name}: planted failure", flush=True)
        continue
    question = f"What is {path.read_text()}?"
    pairs = [{"question": question, "answer": "It is this."}, {"question": "Half?"}]
    (options.o / "test_write.json").write_text("{}")
    text = json.dumps({"summary": "", "qa_pairs": [] if options.prose else pairs})
    with (options.o / f"{path.stem}_qa_pairs.json").open("w") as file:
        file.write(text[:9])
        file.flush()
        time.sleep(0.05)
        file.write(text[9:])
