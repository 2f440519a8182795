"""`python -m app` is `tools-provider`."""

from app.cli import main

if __name__ == "__main__":
    main()
