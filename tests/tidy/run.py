#!/usr/bin/env python3
"""Runs every tidy check. The last line is `N passed, N failed`."""
import subprocess
import sys
from pathlib import Path

CHECKS = ["floors", "await", "budgets", "words", "selftest"]


def main():
    failed = 0
    for check in CHECKS:
        script = Path(__file__).with_name(check + ".py")
        result = subprocess.run([sys.executable, script], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, check=False)
        failed += result.returncode != 0
        print("ok    " if result.returncode == 0 else "FAILED", check)
        if result.returncode != 0 or check != "selftest":
            print(result.stdout, end="")
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
