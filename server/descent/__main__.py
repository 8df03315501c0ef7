"""`python -m descent` is the same as `descent`."""

from descent.cli.main import main

if __name__ == "__main__":
    main()
