"""``python -m genus``."""

from genus.cli import main

if __name__ == "__main__":
    main()
