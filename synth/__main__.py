"""``python -m synth``."""

from synth.main import main

if __name__ == "__main__":
    main()
