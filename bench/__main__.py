"""`make bench`: every measurement that an issue gives a number for, each beside its peer, in one run.

python -m bench            all of them
python -m bench audit      one of them
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BENCHMARKS = {
    "audit": "audit of the corpus beside unblob's extraction alone, repeats, sister images",
    "components": "component names and versions on Debian packages, beside cve-bin-tool",
    "programs_pairs": "data-flow engine: recall and false alarms on pairs of test programs",
    "programs_debian": "data-flow engine: speed and findings on Debian's programs, beside angr",
    "gateway_packets": "gateway: cost of a packet at 1 to 10,000 devices, approval to enforced",
    "gateway_names": "gateway: DNS proxy beside dnsmasq",
}


def main() -> int:
    chosen = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in chosen if name not in BENCHMARKS]
    if unknown:
        print(f"error: no benchmark is called {unknown[0]}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    failed = []
    for name in chosen:
        print(f"\n== {name}: {BENCHMARKS[name]}", flush=True)
        if subprocess.run([sys.executable, str(HERE / f"{name}.py")], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"\nthese did not finish: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
