#!/usr/bin/env python3
"""Adds the cases that pass, by the results of a run (verify.py --json), to baseline.txt beside this file."""
import json
import os
import sys

BASELINE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "baseline.txt")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: baseline.py RESULTS.json")
    with open(sys.argv[1]) as f:
        results = json.load(f)
    with open(BASELINE) as f:
        lines = f.read().splitlines()
    head = [line for line in lines if line.startswith("#")]
    known = {line.strip() for line in lines if line.strip() and not line.startswith("#")}
    passing = {case for case, r in results.items() if r["result"] == "pass"}
    with open(BASELINE, "w") as f:
        f.write("\n".join(head + sorted(known | passing)) + "\n")
    print("%d cases, %d of them new" % (len(known | passing), len(passing - known)))
    lost = sorted(c for c in known if results.get(c, {}).get("result") == "fail")
    if lost:
        sys.exit("listed, but failing: " + " ".join(lost))


if __name__ == "__main__":
    main()
