"""Shell. `python -m biweekly` is the same as `biweekly`."""

from biweekly.cli import main

if __name__ == "__main__":
    main()
